/** @file The sheet of a sweep: a picture by each cell that was trained, in one picture that its message shows. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { at } from '../../core/at.ts';
import { exists } from '../../core/files.ts';
import { sweepSheet } from '../../core/pictures/sweep-sheet.ts';
import { resolvePrompt } from '../../core/prompt.ts';
import type { Picture, Run, Subject, SweptCell } from '../../core/records.ts';
import { pictureSize } from '../../core/settings/picture-size.ts';
import { cellName, type SweepCell } from '../../core/sweep-plan.ts';
import type { PngPicture } from '../engine/protocol.ts';
import { cellFile } from '../training/sweep.ts';
import type { WorkerContext } from './context.ts';
import { rulesOf } from './picture-rules.ts';
import { runFolder } from './sweep-runs.ts';

/** Where a sweep keeps what it has trained. */
export const sweepFolder = ({ dataFolder }: Pick<WorkerContext, 'dataFolder'>, { id }: Run): string =>
  join(runFolder(dataFolder, id), 'cells');

/**
 * Draws the sheet and adds it as a picture of the run's samples, once. A picture that the channel's rule would hide or hold
 * back leaves its place empty.
 *
 * @param finalists marked on the sheet
 * @throws KronaError as Engine.draw; the signal's reason when it aborts
 */
export async function drawSheet(
  context: WorkerContext,
  run: Run,
  subject: Subject,
  cells: readonly SweptCell[],
  finalists: readonly SweepCell[],
  signal: AbortSignal,
): Promise<void> {
  const { records, blobs } = context;
  if ((await records.setsOfRun(run.id)).some(({ kind }) => kind === 'samples')) return;
  const drawn = await drawCells(context, run, subject, cells, signal);
  const chosen = new Set(finalists.map(cellName));
  const { png, width, height } = await sweepSheet(
    cells.map((cell) => ({
      ...cell,
      score: cell.score?.score ?? null,
      picture: drawn.get(cellName(cell)) ?? null,
      finalist: chosen.has(cellName(cell)),
    })),
  );
  const { hash: blobHash, size } = await blobs.put(png);
  await addSheet(context, run, subject, { blobHash, size, width, height });
}

/** The pictures of trained cells, as PNG by name, that the channel may see. */
async function drawCells(
  context: WorkerContext,
  run: Run,
  subject: Subject,
  cells: readonly SweptCell[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const { engine, model } = context;
  const folder = sweepFolder(context, run);
  const { guidance, rescale, scheduler, samplingSteps, speed } = run.settings;
  const { safety, above } = await rulesOf(context, run.channelId);
  const trained: SweptCell[] = [];
  // One that was scored and then cancelled is missing where the sweep went on without its files.
  for (const cell of cells)
    if (cell.score !== null && (await exists(cellFile(folder, cell)))) trained.push(cell);
  const drawn = new Map<string, Uint8Array>();
  const keep = ({ place, png, unsafe }: PngPicture): void => {
    if (unsafe === null || unsafe <= above) drawn.set(cellName(at(trained, place)), png);
  };
  await engine.draw(
    {
      prompt: resolvePrompt(`a ${subject.name}`, [subject], [subject.id]).text,
      negative: null,
      guidance,
      guidanceRescale: rescale,
      scheduler,
      steps: samplingSteps,
      speed,
      ...pictureSize(run.settings, model),
      strength: 1,
      background: true,
      pictures: trained.map((cell) => ({ seed: run.seed, adapters: [cellFile(folder, cell)] })),
      check: safety !== 'off',
    },
    { signal, onEvent: (event) => void ('picture' in event && keep(event.picture)) },
  );
  return drawn;
}

async function addSheet(
  { records }: WorkerContext,
  { id: runId, channelId, memberId, seed, model, settings }: Run,
  subject: Subject,
  picture: Pick<Picture, 'blobHash' | 'size' | 'width' | 'height'>,
): Promise<void> {
  await records.transaction(async (within) => {
    const { id: setId } = await within.addSet({
      id: randomUUID(),
      channelId,
      memberId,
      kind: 'samples',
      runId,
      subjectId: subject.id,
      prompt: `a ${subject.name}`,
      negative: null,
      seed,
      count: 1,
      strength: 1,
      model,
      settings,
      // Every cell drew some of it.
      adapterId: null,
      state: 'running',
    });
    await within.addPicture({ id: randomUUID(), setId, index: 0, seed, adapterId: null, ...picture });
    await within.updateSet(setId, { state: 'done', endedAt: new Date() });
  });
}
