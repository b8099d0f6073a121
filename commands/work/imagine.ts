/** @file `/krona imagine`: pictures of a prompt, drawn with the champion adapters of the subjects that it names. */
import { KronaError } from '../../core/errors.ts';
import { MOST_SUBJECTS, resolvePrompt } from '../../core/prompt.ts';
import type { Channel, Subject } from '../../core/records.ts';
import { MAX_SEED, randomSeed } from '../../core/seeds.ts';
import { checkDrawing } from '../../core/settings/check.ts';
import { withOptions } from '../../core/settings/read.ts';
import { inChat } from '../../core/settings/schema.ts';
import type { Records } from '../../storage/records.ts';
import { loadCard } from '../cards/load-card.ts';
import type { CommandContext } from '../contract.ts';
import { command } from '../define.ts';
import { settingOption } from '../settings/setting-options.ts';
import { completeAdapter, completeSubject, requireAdapter, requireSubject } from '../subjects/subjects.ts';
import { startSet } from './work.ts';

/** Most characters of a prompt; the text encoders read it in chunks of 75 tokens. */
const MAX_PROMPT = 1000;

/** Why a subject cannot be drawn, and what to do. */
async function noChampion(
  records: Records,
  channel: Channel,
  subject: Pick<Subject, 'id' | 'name'>,
): Promise<KronaError> {
  const { name } = subject;
  const trained = (await records.adapters(channel.id)).some((adapter) => adapter.subjectId === subject.id);
  return new KronaError(
    'SUBJECT_NOT_READY',
    trained
      ? `${name} has adapters but no champion. Choose one with \`/krona adapters champion\`.`
      : `${name} has not been trained yet. Start with \`/krona train subject:${name}\`.`,
  );
}

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

/** What a member asked to have drawn, by name. */
interface Asked {
  readonly prompt: string;
  readonly subject: string | undefined;
  readonly adapter: string | undefined;
}

/** The first subject of a set, and the adapters that draw it: of the subjects given or named in the prompt. */
interface Cast {
  readonly subjectId: string | null;
  readonly adapterId: string | null;
  readonly alsoAdapterIds: readonly string[];
  /** The run that trains the only subject for the first time. */
  readonly awaitsRunId: string | null;
}

/** @throws KronaError SUBJECT_UNKNOWN, ADAPTER_UNKNOWN, ADAPTER_OF_OTHER, SUBJECT_NOT_READY */
async function castOf(records: Records, channel: Channel, asked: Asked): Promise<Cast> {
  const given = asked.subject === undefined ? null : await requireSubject(records, channel, asked.subject);
  const chosen = asked.adapter === undefined ? null : await requireAdapter(records, channel, asked.adapter);
  if (given && chosen && chosen.subject.id !== given.id)
    throw new KronaError(
      'ADAPTER_OF_OTHER',
      `${chosen.name} is an adapter of ${chosen.subject.name}, not of ${given.name}; give only one of the two.`,
    );
  const first = chosen?.subject ?? given;
  const named = resolvePrompt(asked.prompt, await records.subjects(channel.id)).subjects;
  const others = named.filter(({ id }) => id !== first?.id);
  const subjects = [...(first ? [first] : []), ...others].slice(0, MOST_SUBJECTS);
  const adapterIds: string[] = [];
  for (const subject of subjects) {
    const own = subject.id === chosen?.subject.id ? chosen.adapter.id : subject.championId;
    if (own !== null) adapterIds.push(own);
    // Beside one that is trained, another is drawn as any of its class.
    else if (adapterIds.length === 0) {
      const { runs } = await records.openWork(channel.id);
      const run = runs.find((each) => each.subjectId === subject.id);
      if (run) return { subjectId: subject.id, adapterId: null, alsoAdapterIds: [], awaitsRunId: run.id };
      throw await noChampion(records, channel, subject);
    }
  }
  const [adapterId = null, ...alsoAdapterIds] = adapterIds;
  return { subjectId: subjects[0]?.id ?? null, adapterId, alsoAdapterIds, awaitsRunId: null };
}

export const imagine = command(
  {
    name: 'imagine',
    description: 'Draw pictures of a prompt; name a subject to include it',
    example: '/krona imagine a watercolour of mochi count:2',
    options: [
      {
        name: 'prompt',
        description: 'What to draw',
        type: 'text',
        required: true,
        maxLength: MAX_PROMPT,
        freeText: true,
        complete: completePrompt,
      },
      {
        name: 'subject',
        description: 'Subject whose adapter to use when the prompt does not name it',
        type: 'text',
        complete: completeSubject,
      },
      settingOption('count'),
      { ...settingOption('samplingSteps'), name: 'steps', type: 'integer' },
      {
        name: 'seed',
        description: 'Same seed, same picture (default: random)',
        type: 'integer',
        min: 0,
        max: MAX_SEED,
      },
      {
        name: 'strength',
        description: 'Strength of the adapter (default: 1)',
        type: 'number',
        min: 0,
        max: 2,
      },
      { name: 'negative', description: 'What to avoid', type: 'text', maxLength: MAX_PROMPT },
      settingOption('size'),
      settingOption('guidance'),
      settingOption('rescale'),
      settingOption('scheduler'),
      settingOption('refine'),
      {
        name: 'adapter',
        description: 'An adapter to use instead of the champion',
        type: 'text',
        complete: completeAdapter,
      },
    ],
    needs: 'imagine',
  },

  async (invocation, context) => {
    const { channel } = invocation;
    const { prompt, subject, adapter, negative = null, seed, strength = 1, ...more } = invocation.options;
    // In a picture's command, steps are those of the picture; the channel's training steps do not matter.
    const drawing = { ...more, steps: undefined, [inChat('samplingSteps').name]: more.steps };
    const model = await context.records.modelCard();
    const set = await context.records.transaction(async (records) => {
      const cast = await castOf(records, channel, { prompt, subject, adapter });
      const settings = withOptions(
        ((await records.channelById(channel.id)) ?? channel).settings,
        drawing,
        model,
      );
      if (model) checkDrawing(settings, model);
      return startSet(records, invocation, {
        ...cast,
        prompt,
        negative,
        seed: seed ?? randomSeed(),
        count: settings.count,
        strength,
        settings,
        variationOf: null,
      });
    });
    return loadCard('set', set.id, context);
  },
);
