/** @file `/krona imagine`: pictures of a prompt, drawn with the champion adapters of the subjects that it names. */
import { KronaError } from '../../core/errors.ts';
import { MOST_SUBJECTS, resolvePrompt } from '../../core/prompt.ts';
import type { Channel, Subject } from '../../core/records.ts';
import type { Records } from '../../storage/records.ts';
import { loadCard } from '../cards/load-card.ts';
import type { Command, CommandContext, OptionData } from '../contract.ts';
import { numberOption, textOption } from '../line/options.ts';
import { checkDrawing, SETTING_OPTIONS, withOptions } from '../settings/settings-check.ts';
import { completeAdapter, completeSubject, requireAdapter, requireSubject } from '../subjects/subjects.ts';
import { MAX_SEED, randomSeed, startSet } from './work.ts';

/** Most characters of a prompt; the text encoders read about the first 77 tokens. */
export const MAX_PROMPT = 1000;

/** In a picture's command, steps are those of the picture; the channel's training steps do not matter. */
const STEPS: OptionData = { ...SETTING_OPTIONS.samplingSteps, name: 'steps' };

/** Why a subject cannot be drawn yet, and what to do. */
async function noChampion(records: Records, channel: Channel, subject: Subject): Promise<KronaError> {
  const { name } = subject;
  const run = (await records.openWork(channel.id)).runs.find((each) => each.subjectId === subject.id);
  if (run)
    return new KronaError(
      'SUBJECT_NOT_READY',
      `${name} is ${run.state === 'running' ? 'still being learnt' : 'waiting to be learnt'}; ask again when its run is done.`,
    );
  const trained = (await records.adapters(channel.id)).some((adapter) => adapter.subjectId === subject.id);
  return new KronaError(
    'SUBJECT_NOT_READY',
    trained
      ? `${name} has adapters but no champion; choose one with \`/krona adapters champion\`.`
      : `${name} has not been learnt yet; start with \`/krona train subject:${name}\`.`,
  );
}

/** The subject's name where a prompt's last word begins it, for completion in the middle of a text. */
async function completePrompt(typed: string, context: CommandContext, channel: Channel): Promise<string[]> {
  const [, before, word] = /^([^]*?)(\S*)$/.exec(typed)!;
  if (word === '') return [];
  const names = await completeSubject(typed, context, channel);
  return names
    .filter((name) => name.toLowerCase().startsWith(word!.toLowerCase()))
    .map((name) => `${before!}${name}`);
}

export const imagine: Command = {
  data: {
    name: 'imagine',
    description: 'Draw pictures of a prompt; name a subject to have it in them',
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
        description: 'Whose adapter to use when the prompt does not name it',
        type: 'text',
        complete: completeSubject,
      },
      SETTING_OPTIONS.count,
      STEPS,
      {
        name: 'seed',
        description: 'Same seed, same picture; random by default',
        type: 'integer',
        min: 0,
        max: MAX_SEED,
      },
      {
        name: 'strength',
        description: 'How strongly the adapter acts: 1 as trained',
        type: 'number',
        min: 0,
        max: 2,
      },
      { name: 'negative', description: 'What to keep out', type: 'text', maxLength: MAX_PROMPT },
      SETTING_OPTIONS.size,
      SETTING_OPTIONS.guidance,
      SETTING_OPTIONS.rescale,
      SETTING_OPTIONS.scheduler,
      SETTING_OPTIONS.refine,
      {
        name: 'adapter',
        description: 'Another adapter than the champion',
        type: 'text',
        complete: completeAdapter,
      },
    ],
    needs: 'imagine',
  },

  async run(invocation, context) {
    const { channel } = invocation;
    const prompt = textOption(invocation, 'prompt')!;
    const subjectName = textOption(invocation, 'subject');
    const adapterTyped = textOption(invocation, 'adapter');
    const model = await context.records.modelCard();
    const { steps, ...options } = invocation.options;
    const set = await context.records.transaction(async (records) => {
      const asked = subjectName === undefined ? null : await requireSubject(records, channel, subjectName);
      const chosen = adapterTyped === undefined ? null : await requireAdapter(records, channel, adapterTyped);
      if (asked && chosen && chosen.subject.id !== asked.id)
        throw new KronaError(
          'ADAPTER_OF_OTHER',
          `${chosen.name} is an adapter of ${chosen.subject.name}, not of ${asked.name}; leave one of the two out.`,
        );
      const subjects = await records.subjects(channel.id);
      const first = chosen?.subject ?? asked;
      const named = resolvePrompt(prompt, subjects).subjects.map(({ id }) => id);
      const ids = [...new Set([...(first ? [first.id] : []), ...named])].slice(0, MOST_SUBJECTS);
      const drawnOnes = ids.map((id) => subjects.find((each) => each.id === id)!);
      const adapterIds: string[] = [];
      for (const subject of drawnOnes) {
        const own = subject.id === chosen?.subject.id ? chosen.adapter.id : subject.championId;
        if (own !== null) adapterIds.push(own);
        // Beside one that is learnt, another is drawn as any of its class.
        else if (adapterIds.length === 0) throw await noChampion(records, channel, subject);
      }
      const { settings } = (await records.channelById(channel.id)) ?? channel;
      const drawing = {
        ...options,
        ...(steps !== undefined && { [SETTING_OPTIONS.samplingSteps.name]: steps }),
      };
      const drawn = withOptions(settings, drawing, model);
      if (model) checkDrawing(drawn, model);
      return startSet(records, invocation, {
        subjectId: drawnOnes[0]?.id ?? null,
        prompt,
        negative: textOption(invocation, 'negative') ?? null,
        seed: numberOption(invocation, 'seed') ?? randomSeed(),
        count: drawn.count,
        strength: numberOption(invocation, 'strength') ?? 1,
        settings: drawn,
        adapterId: adapterIds[0] ?? null,
        alsoAdapterIds: adapterIds.slice(1),
        variationOf: null,
      });
    });
    return loadCard('set', set.id, context);
  },
};
