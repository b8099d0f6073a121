/** @file Queues a set for a prompt, from noise or from a picture: for all commands that draw. */
import { KronaError } from '../../core/errors.ts';
import type { Channel, SetSteering } from '../../core/records.ts';
import { randomSeed } from '../../core/seeds.ts';
import { checkDrawing } from '../../core/settings/check.ts';
import { defaultOf } from '../../core/settings/defaults.ts';
import { sizeOfShape } from '../../core/settings/picture-size.ts';
import { withOptions } from '../../core/settings/read.ts';
import { inChat } from '../../core/settings/schema.ts';
import { steerVotes } from '../../core/votes/steer-votes.ts';
import type { Records } from '../../storage/records.ts';
import type { Card } from '../card.ts';
import { loadCard } from '../cards/load-card.ts';
import type { CommandContext, Invocation, OptionData } from '../contract.ts';
import type { Beginning } from '../photos/begin-with.ts';
import { completeSubject } from '../subjects/subjects.ts';
import { countOf, MAX_PROMPT, readPrompt, required, type TypedPrompt } from './asked-prompt.ts';
import { castOf } from './cast.ts';
import { startSet } from './work.ts';

/** The subject's name where a prompt's last word begins it, for completion in the middle of a text. */
async function completePrompt(typed: string, context: CommandContext, channel: Channel): Promise<string[]> {
  const word = /\S*$/.exec(typed)?.[0] ?? '';
  if (word === '') return [];
  const before = typed.slice(0, typed.length - word.length);
  const names = await completeSubject(typed, context, channel);
  return names
    .filter((name) => name.toLowerCase().startsWith(word.toLowerCase()))
    .map((name) => `${before}${name}`);
}

/** The option of a prompt. */
export const PROMPT = {
  name: 'prompt',
  description: 'What to draw',
  type: 'text',
  required: true,
  maxLength: MAX_PROMPT,
  freeText: true,
  complete: completePrompt,
} as const satisfies OptionData;

/** How much of a picture can change. */
export const CHANGE = {
  name: 'change',
  description: `How much of the picture can change (default: ${defaultOf('imageStrength')})`,
  type: 'number',
  min: 0.01,
  max: 1,
} as const satisfies OptionData;

/** Whether votes steer the pictures. */
export const STEER = {
  name: 'steer',
  description: 'votes: more like what members liked, less like what they disliked',
  type: 'text',
  choices: ['votes'],
} as const satisfies OptionData;

/** A request for pictures, as commands that draw take it. */
type Request = Invocation<
  TypedPrompt & {
    readonly subject?: string | undefined;
    readonly adapter?: string | undefined;
    readonly strength?: number | undefined;
    readonly change?: number | undefined;
    readonly steer?: string | undefined;
  }
>;

/**
 * Queues a set of a prompt.
 *
 * @param begin stores the picture to begin with, once the prompt is known to be good
 * @throws KronaError as readPrompt, castOf, startSet; VOTES_TOO_FEW
 */
export async function drawPrompt(
  invocation: Request,
  context: CommandContext,
  begin: () => Promise<Beginning | null | undefined>,
  usualChange: number = defaultOf('imageStrength'),
): Promise<Card> {
  const { channel } = invocation;
  const { subject, adapter, strength = 1, change = usualChange, steer, ...more } = invocation.options;
  const model = await context.records.modelCard(channel.model);
  const asked = await readPrompt(context.records, channel, more, model);
  const begun = (await begin()) ?? null;
  const size =
    asked.size ?? (begun === null ? undefined : sizeOfShape(begun.width / begun.height, required(model)));
  // In a picture's command, steps are those of the picture; the channel's training steps do not matter.
  const drawing = {
    ...more,
    size,
    steps: undefined,
    negative: undefined,
    [inChat('samplingSteps').name]: asked.steps,
    // Only pictures drawn from noise are refined.
    ...(begun && { refine: 0 }),
  };
  const set = await context.records.transaction(async (records) => {
    const cast = await castOf(records, channel, { prompts: asked.alternatives, subject, adapter });
    const usual = ((await records.channelById(channel.id)) ?? channel).settings;
    const settings = withOptions(usual, drawing, model);
    if (model) checkDrawing(settings, model);
    return startSet(records, invocation, {
      ...cast,
      prompt: asked.prompt,
      negative: asked.negativeIn(usual.negative),
      seed: asked.seed ?? randomSeed(),
      count: countOf(asked, usual.count),
      strength,
      settings,
      variationOf: null,
      start: begun && { ...begun.start, change },
      steering: steer === undefined ? null : await steeringOf(records, channel, cast.subjectId),
    });
  });
  return loadCard('set', set.id, context);
}

/** @throws KronaError VOTES_TOO_FEW */
async function steeringOf(
  records: Records,
  channel: Channel,
  subjectId: string | null,
): Promise<SetSteering> {
  const steering = steerVotes(subjectId, await records.standingVotes(channel.id, { subjectId }));
  if (steering !== null) return steering;
  const subject = subjectId === null ? null : await records.subject(subjectId);
  const what = subject === null ? 'pictures without a subject' : `pictures of ${subject.name}`;
  throw new KronaError(
    'VOTES_TOO_FEW',
    `No votes on ${what} can steer yet. React to some that others requested, or leave out \`steer\`.`,
  );
}
