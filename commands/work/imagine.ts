/** @file `/krona imagine`: pictures of a prompt, drawn with the champion adapters of the subjects that it names. */
import { KronaError } from '../../core/errors.ts';
import { MOST_SUBJECTS, resolvePrompt } from '../../core/prompt.ts';
import type { Channel, Subject } from '../../core/records.ts';
import { randomSeed } from '../../core/seeds.ts';
import { checkDrawing } from '../../core/settings/check.ts';
import { defaultOf } from '../../core/settings/defaults.ts';
import { sizeOfShape } from '../../core/settings/picture-size.ts';
import { withOptions } from '../../core/settings/read.ts';
import { inChat } from '../../core/settings/schema.ts';
import type { Records } from '../../storage/records.ts';
import { loadCard } from '../cards/load-card.ts';
import type { Card } from '../card.ts';
import type { CommandContext, Invocation, OptionData } from '../contract.ts';
import { command } from '../define.ts';
import { beginWith, filesByOption, type Beginning } from '../photos/begin-with.ts';
import { settingOption } from '../settings/setting-options.ts';
import { completeAdapter, completeSubject, requireAdapter, requireSubject } from '../subjects/subjects.ts';
import { countOf, MAX_PROMPT, readPrompt, required, SEED, type TypedPrompt } from './asked-prompt.ts';
import { completeStyle } from './style.ts';
import { startSet } from './work.ts';

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

/** What a member asked to have drawn, by name. */
interface Asked {
  /** The prompt, or what its alternatives stand for. */
  readonly prompts: readonly string[];
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
export async function castOf(records: Records, channel: Channel, asked: Asked): Promise<Cast> {
  const given = asked.subject === undefined ? null : await requireSubject(records, channel, asked.subject);
  const chosen = asked.adapter === undefined ? null : await requireAdapter(records, channel, asked.adapter);
  if (given && chosen && chosen.subject.id !== given.id)
    throw new KronaError(
      'ADAPTER_OF_OTHER',
      `${chosen.name} is an adapter of ${chosen.subject.name}, not of ${given.name}; give only one of the two.`,
    );
  const first = chosen?.subject ?? given;
  const all = await records.subjects(channel.id);
  const subjects = asked.prompts.flatMap((prompt) => {
    const others = resolvePrompt(prompt, all).subjects.filter(({ id }) => id !== first?.id);
    return [...(first ? [first] : []), ...others].slice(0, MOST_SUBJECTS);
  });
  const adapterIds: string[] = [];
  for (const subject of new Map(subjects.map((each) => [each.id, each])).values()) {
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

/** A request for pictures, as commands that draw take it. */
type Request = Invocation<
  TypedPrompt & {
    readonly subject?: string | undefined;
    readonly adapter?: string | undefined;
    readonly strength?: number | undefined;
    readonly change?: number | undefined;
  }
>;

/**
 * Queues a set of a prompt.
 *
 * @param begin stores the picture to begin with, once the prompt is known to be good
 * @throws KronaError as readPrompt, castOf, startSet
 */
export async function drawPrompt(
  invocation: Request,
  context: CommandContext,
  begin: () => Promise<Beginning | null | undefined>,
  usualChange: number = defaultOf('imageStrength'),
): Promise<Card> {
  const { channel } = invocation;
  const { subject, adapter, strength = 1, change = usualChange, ...more } = invocation.options;
  const model = await context.records.modelCard();
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
    });
  });
  return loadCard('set', set.id, context);
}

export const imagine = command(
  {
    name: 'imagine',
    description: 'Draw pictures of a prompt; name a subject to include it',
    example: '/krona imagine a watercolour of mochi count:2',
    options: [
      { ...PROMPT, description: 'What to draw; --no, --ar 3:2, (weights:1.2) and {a|b} work in it' },
      { name: 'image', description: 'Picture to begin with', type: 'picture' },
      CHANGE,
      {
        name: 'subject',
        description: 'Subject whose adapter to use when the prompt does not name it',
        type: 'text',
        complete: completeSubject,
      },
      { name: 'style', description: 'Style of the channel', type: 'text', complete: completeStyle },
      settingOption('count'),
      { ...settingOption('samplingSteps'), name: 'steps', type: 'integer' },
      SEED,
      {
        name: 'strength',
        description: 'Strength of the adapter (default: 1)',
        type: 'number',
        min: 0,
        max: 2,
      },
      {
        name: 'negative',
        description: 'What to avoid; “none”: nothing',
        type: 'text',
        maxLength: MAX_PROMPT,
      },
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
    const { attachments, options } = invocation;
    const image = filesByOption(attachments, ['image']).get('image');
    if (image === undefined && options.change !== undefined)
      throw new KronaError(
        'OPTION_INVALID',
        '`change` is how much of a picture to begin with can change, and there is none. Attach one, or leave out `change`.',
      );
    return drawPrompt(invocation, context, async () => image && beginWith(invocation, image, context));
  },
);
