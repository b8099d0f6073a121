/**
 * @file The pictures of a run: samples at each checkpoint, which the run's message shows, and finals in a message of
 * their own, because members vote on them and reactions to samples must not count. They are drawn in the background,
 * while the training waits.
 */
import { at } from '../../core/at.ts';
import { randomUUID } from 'node:crypto';
import { hasEnded } from '../../core/work-state.ts';
import { resolvePrompt } from '../../core/prompt.ts';
import type { Adapter, PictureSet, Run, Subject } from '../../core/records.ts';
import { nthSeed } from '../../core/seeds.ts';
import { KeyedRandom } from '../../core/random.ts';
import { type Conduct, endWork, failureOf, isRetryable, SETS } from './carry-out.ts';
import type { WorkerContext } from './context.ts';
import { drawPictures } from './draw-pictures.ts';
import type { PlannedPicture } from './planned-picture.ts';

/** Most pictures at a checkpoint. */
const MAX_SAMPLES = 2;

/** What a set of a run shows. */
export interface RunPictures {
  readonly kind: 'samples' | 'finals';
  /** The adapter that draws them; of a set with several, the newest. */
  readonly adapter: Adapter;
  readonly pictures: readonly PlannedPicture[];
}

/** The same seeds at every checkpoint, so that pictures differ by the training alone. */
export function samplesOf(run: Run, adapter: Adapter): RunPictures {
  const pictures = Array.from({ length: Math.min(MAX_SAMPLES, run.settings.count) }, (_, n) => ({
    seed: nthSeed(run.seed, n),
    adapters: [adapter],
  }));
  return { kind: 'samples', adapter, pictures };
}

/**
 * The result: pictures by the final adapter and by the checkpoint halfway, in pairs from the same noise, so that votes
 * show which of the two is better: the final one can copy its photos too closely. The order is shuffled, so that its
 * place doesn't win a picture votes.
 *
 * @param adapters of the run, in order of steps
 */
export function finalsOf(run: Run, adapters: readonly Adapter[]): RunPictures {
  const final = at(adapters, -1);
  const halfway = adapters.find(({ step }) => step >= run.settings.steps / 2) ?? final;
  const compared = halfway === final ? [final] : [final, halfway];
  const pictures = Array.from({ length: run.settings.count }, (_, n) => ({
    seed: nthSeed(run.seed, Math.floor(n / compared.length)),
    adapters: [at(compared, n % compared.length)],
  }));
  const random = new KeyedRandom(run.seed, 'order of finals');
  for (let i = pictures.length - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [pictures[i], pictures[j]] = [at(pictures, j), at(pictures, i)];
  }
  return { kind: 'finals', adapter: final, pictures };
}

/**
 * Draws the missing pictures of a run's set. If pictures cannot be drawn, their set fails and the run goes on.
 * @throws errors that can pass when tried again; the signal's reason when it aborts
 */
export async function drawRunPictures(
  context: WorkerContext,
  run: Run,
  subject: Subject,
  shown: RunPictures,
  { signal, advance }: Pick<Conduct, 'signal' | 'advance'>,
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
      onKept: advance,
    });
    await endWork(SETS, set.id, { state: 'done', failure: null }, records);
    await postFinals(context, set);
  } catch (error) {
    if (signal.aborted || isRetryable(error)) throw error;
    log.warn({ error, run: run.id, set: set.id }, 'could not draw pictures of a run');
    await endWork(SETS, set.id, { state: 'failed', failure: failureOf(error) }, records);
  }
}

/** Posts the finals, once. */
function postFinals({ records }: WorkerContext, { id, kind, channelId }: PictureSet): Promise<void> {
  return records.transaction(async (within) => {
    if (kind === 'finals' && (await within.postOf(id)) === null)
      await within.addPost({ id: randomUUID(), channelId, kind: 'set', targetId: id });
  });
}

/** The run's set of this kind by this adapter; new unless an earlier attempt started it. */
function setFor(
  { records }: WorkerContext,
  { id: runId, channelId, memberId, seed, model, settings }: Run,
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
      // As a member would write it: the training prompt with the subject's name in place of its token.
      prompt: `a ${subject.name}`,
      negative: null,
      seed,
      count: pictures.length,
      strength: 1,
      model,
      settings,
      adapterId: adapter.id,
      state: 'running',
    });
  });
}
