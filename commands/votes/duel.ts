/** @file `/krona duel`: a blind comparison of two adapters by the channel's members. */
import { KronaError } from '../../core/errors.ts';
import type { Channel, Subject } from '../../core/records.ts';
import type { Records } from '../../storage/records.ts';
import { loadCard } from '../cards/load-card.ts';
import { command } from '../define.ts';
import { note } from '../rules/audit.ts';
import { admitWork } from '../rules/guard.ts';
import { promptTexts } from '../rules/prompt-texts.ts';
import { completeAdapter, requireAdapter } from '../subjects/subjects.ts';
import { weightedSpans } from '../../core/prompts/weights.ts';
import { OPEN_PAIRS, PROMPTS } from './duel-bounds.ts';
import { openDuel } from './open-duel.ts';

/** Most characters of all prompts together. */
const MAX_PROMPTS = 3000;
const MAX_PROMPT = 1000;

/** @throws KronaError PROMPT_TOO_LONG, PROMPT_WEIGHT_INVALID */
function readPrompts(typed: string | undefined): string[] {
  const prompts = (typed ?? '').split(';').flatMap((prompt) => prompt.trim() || []);
  const long = prompts.find((prompt) => [...prompt].length > MAX_PROMPT);
  for (const prompt of prompts) weightedSpans(prompt);
  if (long === undefined) return prompts;
  throw new KronaError(
    'PROMPT_TOO_LONG',
    `A prompt can have at most ${MAX_PROMPT} characters; one of yours has ${[...long].length}. Separate prompts by semicolons.`,
  );
}

/** @throws KronaError DUEL_NO_RIVAL */
function championOf(records: Records, channel: Channel, { name, championId }: Subject) {
  if (championId !== null) return requireAdapter(records, channel, name);
  throw new KronaError('DUEL_NO_RIVAL', `${name} has no champion. Name two adapters to compare.`);
}

export const duel = command(
  {
    name: 'duel',
    description: 'Compare two adapters by votes on pairs without names',
    example: '/krona duel mochi-200-3fa9c1 mochi',
    options: [
      {
        name: 'a',
        description: 'An adapter, or a subject for its champion',
        type: 'text',
        required: true,
        complete: completeAdapter,
      },
      {
        name: 'b',
        description: 'Another of the same subject (default: its champion)',
        type: 'text',
        complete: completeAdapter,
      },
      {
        name: 'pairs',
        description: `Most pairs (default: ${PROMPTS.default})`,
        type: 'integer',
        min: PROMPTS.least,
        max: PROMPTS.most,
      },
      {
        name: 'prompts',
        description: 'Prompts, separated by semicolons (default: recent ones)',
        type: 'text',
        keyed: true,
        maxLength: MAX_PROMPTS,
      },
    ],
    needs: 'imagine',
  },

  async (invocation, context) => {
    const { channel, options } = invocation;
    const prompts = readPrompts(options.prompts);
    const { id } = await context.records.transaction(async (records) => {
      const first = await requireAdapter(records, channel, options.a);
      const { subject } = first;
      const second =
        options.b === undefined
          ? await championOf(records, channel, subject)
          : await requireAdapter(records, channel, options.b);
      if (second.subject.id !== subject.id)
        throw new KronaError(
          'ADAPTER_OF_OTHER',
          `${second.name} is an adapter of ${second.subject.name}, not of ${subject.name}. A duel compares two adapters of a subject.`,
        );
      // Pairs count as they are requested; each limit must leave room for those that are open.
      const wish = { kind: 'imagine', pictures: 2 * OPEN_PAIRS } as const;
      const subjects = await records.subjects(channel.id);
      const texts = prompts.flatMap((prompt) => promptTexts(prompt, subjects, subject.id));
      await admitWork(records, invocation, wish, [subject.className, ...texts]);
      const opened = await openDuel(records, invocation, {
        subject,
        first: first.adapter,
        second: second.adapter,
        prompts,
        ...(options.pairs !== undefined && { pairs: options.pairs }),
      });
      await note(records, invocation, 'duel', `${first.name} against ${second.name}`);
      return opened;
    });
    return loadCard('duel', id, context);
  },
);
