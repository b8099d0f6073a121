/** @file Who stands in a prompt: the subjects that it names, and the adapters that draw them. */
import { KronaError } from '../../core/errors.ts';
import { MOST_SUBJECTS, resolvePrompt } from '../../core/prompt.ts';
import type { Channel, Subject } from '../../core/records.ts';
import type { Records } from '../../storage/records.ts';
import { requireSameModel } from '../models/choose-model.ts';
import { requireAdapter, requireSubject } from '../subjects/subjects.ts';

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

/**
 * The id of the adapter that draws a subject with the channel's model: its champion, or the newest result of a training where
 * the champion belongs to another model; null while its first one is trained.
 *
 * @throws KronaError ADAPTER_OTHER_MODEL when none fits
 */
async function championOn(
  records: Records,
  channel: Channel,
  subject: Pick<Subject, 'id' | 'name' | 'championId'>,
): Promise<string | null> {
  const champion = subject.championId === null ? null : await records.adapter(subject.championId);
  if (champion === null || champion.model === channel.model) return champion?.id ?? null;
  const adapters = await records.adapters(channel.id);
  const fitting = adapters.find(
    ({ subjectId, model, final }) => subjectId === subject.id && model === channel.model && final,
  );
  const { runs } = await records.openWork(channel.id);
  const comes = runs.some(({ subjectId, model }) => subjectId === subject.id && model === channel.model);
  if (fitting === undefined && !comes)
    await requireSameModel(records, `The champion of ${subject.name}`, champion, channel.model);
  return fitting?.id ?? null;
}

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

/** @throws KronaError SUBJECT_UNKNOWN, ADAPTER_UNKNOWN, ADAPTER_OF_OTHER, ADAPTER_OTHER_MODEL, SUBJECT_NOT_READY */
export async function castOf(records: Records, channel: Channel, asked: Asked): Promise<Cast> {
  const given = asked.subject === undefined ? null : await requireSubject(records, channel, asked.subject);
  const chosen = asked.adapter === undefined ? null : await requireAdapter(records, channel, asked.adapter);
  if (given && chosen && chosen.subject.id !== given.id)
    throw new KronaError(
      'ADAPTER_OF_OTHER',
      `${chosen.name} is an adapter of ${chosen.subject.name}, not of ${given.name}; give only one of the two.`,
    );
  if (chosen) await requireSameModel(records, chosen.name, chosen.adapter, channel.model);
  const first = chosen?.subject ?? given;
  const all = await records.subjects(channel.id);
  const subjects = asked.prompts.flatMap((prompt) => {
    const others = resolvePrompt(prompt, all).subjects.filter(({ id }) => id !== first?.id);
    return [...(first ? [first] : []), ...others].slice(0, MOST_SUBJECTS);
  });
  const adapterIds: string[] = [];
  for (const subject of new Map(subjects.map((each) => [each.id, each])).values()) {
    const own =
      subject.id === chosen?.subject.id ? chosen.adapter.id : await championOn(records, channel, subject);
    if (own !== null) adapterIds.push(own);
    // Beside one that is trained, another is drawn as any of its class.
    else if (adapterIds.length === 0) {
      const { runs } = await records.openWork(channel.id);
      const run = runs.find((each) => each.subjectId === subject.id);
      if (run) await requireSameModel(records, subject.name, run, channel.model);
      if (run) return { subjectId: subject.id, adapterId: null, alsoAdapterIds: [], awaitsRunId: run.id };
      throw await noChampion(records, channel, subject);
    }
  }
  const [adapterId = null, ...alsoAdapterIds] = adapterIds;
  return { subjectId: subjects[0]?.id ?? null, adapterId, alsoAdapterIds, awaitsRunId: null };
}
