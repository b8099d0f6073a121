#!/usr/bin/env -S npx tsx
/**
 * @file The `krona` program: finds the command that is asked for and loads only that one, so help comes at once.
 * Every outcome leaves through here: 0, or an error with its code on stderr (with --json on stdout), never a stack.
 */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { KronaError } from '../storage/errors.ts';
import { reportError } from './output.ts';

interface CommandModule {
  /** Gives a command its options, arguments and action (or its subcommands). */
  define(command: Command): void;
}

interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
}

const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'adapter',
    summary: 'look into adapter files',
    load: () => import('./commands/adapter.ts'),
  },
  {
    name: 'model',
    summary: 'look into model folders',
    load: () => import('./commands/model.ts'),
  },
];

/** The program with every command named and the one in `words` complete. */
async function buildProgram(words: readonly string[]): Promise<Command> {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const program = new Command('krona')
    .description('Teaches an image model something of your own, and makes pictures with it.')
    .version(version)
    .showHelpAfterError('(krona <command> --help tells more)')
    .exitOverride();
  const [first, second] = words.filter((word) => !word.startsWith('-'));
  const wanted = first === 'help' ? second : first;
  for (const { name, summary, load } of COMMANDS) {
    const command = program.command(name).description(summary);
    if (name === wanted) (await load()).define(command);
  }
  return program;
}

/** Runs the program. @returns the exit code */
async function main(words: readonly string[]): Promise<number> {
  const json = words.includes('--json');
  try {
    const program = await buildProgram(words);
    // With --json, what commander would say is told by the one object on stdout.
    if (json) for (const command of family(program)) command.configureOutput({ writeErr: () => {} });
    await program.parseAsync(words, { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportError(error, json);
    // Help and version end here too, with 0. Otherwise commander has told people already.
    if (error.exitCode === 0) return 0;
    const message =
      error.code === 'commander.help' ? 'a command is missing' : error.message.replace(/^error: /, '');
    if (json) reportError(new KronaError('USAGE', `${message}; see --help.`), json);
    return 2;
  }
}

function family(command: Command): Command[] {
  return [command, ...command.commands.flatMap(family)];
}

process.exitCode = await main(process.argv.slice(2));
