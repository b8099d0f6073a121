/**
 * @file The pictures of a run: samples at each checkpoint, which the run's message shows, and the finals, which have a
 * message of their own: members vote on them, and reactions that were given to samples must not count there. Drawn in
 * the background, while the training waits.
 */
import { randomUUID } from 'node:crypto';
import { resolvePrompt } from '../../core/prompt.ts';
import type { Adapter, PictureSet, Run, Subject } from '../../core/records.ts';
import { nthSeed } from '../../core/seeds.ts';
import { KeyedRandom } from '../../core/random.ts';
import { endWork, failureOf, hasEnded, isRetryable, SETS } from './carry-out.ts';
import type { WorkerContext } from './context.ts';
import { drawPictures, type PlannedPicture } from './draw-pictures.ts';

/** Most pictures drawn at a checkpoint. */
const MAX_SAMPLES = 2;

/** What a set of a run shows. */
export interface RunPictures {
  readonly kind: 'samples' | 'finals';
  /** Whose pictures these are; of a grid with several, the newest. */
  readonly adapter: Adapter;
  readonly pictures: readonly PlannedPicture[];
}

/** The same seeds at every checkpoint, so that members see the training and nothing else. */
export function samplesOf(run: Run, adapter: Adapter): RunPictures {
  const pictures = Array.from({ length: Math.min(MAX_SAMPLES, run.settings.count) }, (_, n) => ({
    seed: nthSeed(run.seed, n),
    adapter,
  }));
  return { kind: 'samples', adapter, pictures };
}

/**
 * The result: pictures by the final adapter and by the checkpoint halfway, in pairs from the same noise, so that votes
 * tell which of the two learnt better: the last is not always, as training goes on to copy its photos. The order is
 * shuffled, or people would vote for the place.
 *
 * @param adapters of the run, in order of steps
 */
export function finalsOf(run: Run, adapters: readonly Adapter[]): RunPictures {
  const final = adapters.at(-1)!;
  const halfway = adapters.find(({ step }) => step >= run.settings.steps / 2)!;
  const compared = halfway === final ? [final] : [final, halfway];
  const pictures = Array.from({ length: run.settings.count }, (_, n) => ({
    seed: nthSeed(run.seed, Math.floor(n / compared.length)),
    adapter: compared[n % compared.length]!,
  }));
  const random = new KeyedRandom(run.seed, 'order of finals');
  for (let i = pictures.length - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [pictures[i], pictures[j]] = [pictures[j]!, pictures[i]!];
  }
  return { kind: 'finals', adapter: final, pictures };
}

/**
 * Draws a set of a run, or what is missing of it. Pictures that cannot be drawn end their set and not the run.
 * @throws what may pass when tried again; the signal's reason when it aborts
 */
export async function drawRunPictures(
  context: WorkerContext,
  run: Run,
  subject: Subject,
  shown: RunPictures,
  signal: AbortSignal,
): Promise<void> {
  const { records, log } = context;
  const set = await setFor(context, run, subject, shown);
  if (hasEnded(set)) {
    if (set.state === 'done') await postFinals(context, set);
    return;
  }
  try {
    await drawPictures(context, set, {
      prompt: resolvePrompt(set.prompt, [subject], [subject.id]).text,
      pictures: shown.pictures,
      background: true,
      signal,
    });
    await endWork(SETS, set.id, { state: 'done', failure: null }, records);
    await postFinals(context, set);
  } catch (error) {
    if (signal.aborted || isRetryable(error)) throw error;
    log.warn({ error, run: run.id, set: set.id }, 'could not draw pictures of a run');
    await endWork(SETS, set.id, { state: 'failed', failure: failureOf(error) }, records);
  }
}

/** Gives finals their message, once. */
function postFinals({ records }: WorkerContext, { id, kind, channelId }: PictureSet): Promise<void> {
  return records.transaction(async (within) => {
    if (kind === 'finals' && (await within.postOf(id)) === null)
      await within.addPost({ id: randomUUID(), channelId, kind: 'set', targetId: id });
  });
}

/** The run's set of this kind by this adapter; new unless an earlier attempt began it. */
function setFor(
  { records }: WorkerContext,
  { id: runId, channelId, memberId, seed, settings }: Run,
  subject: Subject,
  { kind, adapter, pictures }: RunPictures,
): Promise<PictureSet> {
  return records.transaction(async (within) => {
    const sets = await within.setsOfRun(runId);
    const begun = sets.find((set) => set.kind === kind && set.adapterId === adapter.id);
    if (begun) return begun;
    return within.addSet({
      id: randomUUID(),
      channelId,
      memberId,
      kind,
      runId,
      subjectId: subject.id,
      // As a member would say it: the training prompt with the subject's name for its token.
      prompt: `a ${subject.name}`,
      negative: null,
      seed,
      count: pictures.length,
      strength: 1,
      settings,
      adapterId: adapter.id,
      state: 'running',
    });
  });
}
