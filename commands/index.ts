/**
 * @file The list of commands. Registration on the platforms, help, completion and routing all use it. To add a
 * command, add a file and a line here.
 */
import { KronaError } from '../core/errors.ts';
import { adapters } from './subjects/adapters.ts';
import type { Card } from './card.ts';
import { errorCard } from './cards/format.ts';
import { checkDefinitions } from './check-definitions.ts';
import { parseCommandLine as parse, type ParsedCommand } from './line/command-line.ts';
import type { Command, CommandContext, Invocation, SubcommandData } from './contract.ts';
import { model } from './models/model.ts';
import { duel } from './votes/duel.ts';
import { deleteSubject } from './subjects/delete.ts';
import { gallery } from './gallery/gallery.ts';
import { helpFor } from './help.ts';
import { imagine } from './work/imagine.ts';
import { checkOptions } from './line/options.ts';
import { photos } from './photos/photos.ts';
import { privacy } from './rules/privacy.ts';
import { queue } from './work/queue.ts';
import { admit } from './rules/guard.ts';
import { refine } from './work/refine.ts';
import { rules } from './rules/rules.ts';
import { settings } from './settings/settings.ts';
import { edit } from './work/edit.ts';
import { upscale } from './work/upscale.ts';
import { style } from './work/style.ts';
import { top } from './votes/top.ts';
import { sweep } from './work/sweep.ts';
import { train } from './work/train.ts';

const acting: readonly Command[] = [
  train,
  photos,
  imagine,
  edit,
  upscale,
  style,
  settings,
  adapters,
  gallery,
  top,
  duel,
  refine,
  sweep,
  queue,
  model,
  deleteSubject,
  rules,
  privacy,
];

/** All commands, in the order of help. */
export const COMMANDS: readonly Command[] = [...acting, helpFor(acting)];

checkDefinitions(COMMANDS);

/** Parses a command typed as text; see line/command-line.ts. @throws KronaError */
export function parseCommandLine(text: string, attachments = 0): ParsedCommand {
  return parse(
    text,
    COMMANDS.map((command) => command.data),
    attachments,
  );
}

/** Returns a command with its declaration, or that of one of its actions. @throws KronaError COMMAND_UNKNOWN, ACTION_UNKNOWN */
export function declared(name: string, action: string): { command: Command; data: SubcommandData } {
  const command = COMMANDS.find((each) => each.data.name === name);
  if (!command)
    throw new KronaError('COMMAND_UNKNOWN', `There is no command “${name}”; see \`/krona help\`.`);
  if (!command.data.actions) return { command, data: command.data };
  const data = command.data.actions.find((each) => each.name === action);
  if (!data)
    throw new KronaError(
      'ACTION_UNKNOWN',
      `\`/krona ${name}\` has no action “${action}”; see \`/krona help ${name}\`.`,
    );
  return { command, data };
}

function notDirect(name: string): KronaError {
  const there = COMMANDS.flatMap(({ data }) => (data.direct ? [data.name] : []));
  return new KronaError(
    'NOT_HERE',
    `\`/krona ${name}\` needs a channel of a server. In direct messages there are ${there.join(', ')}.`,
  );
}

/**
 * Runs a command for a member, after checking permissions and options.
 *
 * @throws KronaError for anything that the member can mend
 */
export async function callCommand(
  name: string,
  invocation: Invocation,
  context: CommandContext,
): Promise<Card> {
  const { command, data } = declared(name, invocation.action);
  if (invocation.direct && !command.data.direct) throw notDirect(name);
  await admit(context.records, invocation, data);
  return command.run({ ...invocation, options: checkOptions(data, invocation.options) }, context);
}

/**
 * The same for a member who reads the answer: a KronaError becomes a card that only they see; any other error is a bug,
 * which the gateway logs and answers with `errorCard`.
 */
export async function runCommand(...call: Parameters<typeof callCommand>): Promise<Card> {
  try {
    return await callCommand(...call);
  } catch (error) {
    if (error instanceof KronaError) return errorCard(error);
    throw error;
  }
}
