/** @file Removes what jobs leave behind: files of ended runs, large checkpoints, old class pictures, copies of adapters. */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isFileError } from '../../core/files.ts';
import type { Run } from '../../core/records.ts';
import { hasEnded } from '../../core/work-state.ts';
import { endWork, SETS } from './carry-out.ts';
import type { WorkerContext } from './context.ts';
import { adapterCopiesFolder, hashOfCopy } from './local-files.ts';

type Context = Pick<WorkerContext, 'records' | 'dataFolder' | 'log'>;

const DAY = 24 * 3600_000;
/** Class pictures and copies of adapters that no job used for so long are removed, ms; the next one makes them again. */
const KEEP_UNUSED = 30 * DAY;
/** Bytes of each; above it, those that were used last longest ago are removed too. */
const MOST_CLASS_PICTURES = 5 * 1024 ** 3;
const MOST_ADAPTER_COPIES = 20 * 1024 ** 3;

export const runFolder = (dataFolder: string, runId: string): string => join(dataFolder, 'runs', runId);

export const classPicturesFolder = (dataFolder: string): string => join(dataFolder, 'class-pictures');

/** Removes what is left of runs that ended while no worker was running, class pictures, and copies of adapters. */
export async function sweepRuns(context: Context): Promise<void> {
  const { dataFolder, log } = context;
  await dropUnused(classPicturesFolder(dataFolder), MOST_CLASS_PICTURES, log);
  await dropDeletedCopies(context);
  await dropUnused(adapterCopiesFolder(dataFolder), MOST_ADAPTER_COPIES, log);
  for (const id of await namesIn(join(context.dataFolder, 'runs')))
    await tidyRun(id, context).catch((error: unknown) => {
      context.log.warn({ error, id }, 'could not clean up after a run');
    });
}

/** Cleans up after an ended run: no files stay, as its adapters are blobs, and no set of its samples stays open. */
export async function tidyRun(
  runId: string,
  { records, dataFolder }: Pick<Context, 'records' | 'dataFolder'>,
): Promise<void> {
  const run = await records.run(runId);
  if (run !== null && !hasEnded(run)) return;
  await rm(runFolder(dataFolder, runId), { recursive: true, force: true });
  if (run === null) return;
  for (const set of await records.setsOfRun(runId)) {
    const state = run.state === 'cancelled' ? 'cancelled' : 'failed';
    await endWork(SETS, set.id, { state, failure: run.failure }, records);
  }
  if (run.settings.method === 'full') await dropCheckpoints(run, records);
}

/**
 * Deletes checkpoints that nothing uses: those of full fine-tuning are as large as the model. The newest stays, the
 * champion, those that drew the result, and those that draw now.
 */
async function dropCheckpoints(run: Run, records: WorkerContext['records']): Promise<void> {
  await records.transaction(async (within) => {
    const adapters = (await within.adapters(run.channelId)).filter(({ runId }) => runId === run.id);
    const newest = Math.max(...adapters.map(({ step }) => step));
    const used = new Set([(await within.subject(run.subjectId))?.championId]);
    for (const { id } of (await within.setsOfRun(run.id)).filter(({ kind }) => kind === 'finals'))
      for (const { adapterId } of await within.pictures(id)) used.add(adapterId);
    for (const set of (await within.openWork(run.channelId)).sets)
      for (const id of [set.adapterId, ...set.alsoAdapterIds]) used.add(id);
    for (const { id, step } of adapters) if (step !== newest && !used.has(id)) await within.deleteAdapter(id);
  });
}

/** Members who delete an adapter also mean this machine's copy. */
async function dropDeletedCopies({ records, dataFolder, log }: Context): Promise<void> {
  const folder = adapterCopiesFolder(dataFolder);
  const names = await namesIn(folder);
  if (names.length === 0) return;
  const used = await records.blobsInUse();
  for (const name of names) if (!used.has(hashOfCopy(name))) await drop(join(folder, name), log);
}

/** Keeps what was used of late, up to a size. */
async function dropUnused(folder: string, most: number, log: Context['log']): Promise<void> {
  const kept: { path: string; usedAt: number; bytes: number }[] = [];
  for (const name of await namesIn(folder)) {
    const path = join(folder, name);
    const usedAt = (await stat(path).catch(() => null))?.mtimeMs;
    if (usedAt !== undefined) kept.push({ path, usedAt, bytes: await bytesIn(path) });
  }
  let bytes = kept.reduce((sum, each) => sum + each.bytes, 0);
  for (const each of kept.sort((a, b) => a.usedAt - b.usedAt)) {
    const unused = Date.now() - each.usedAt;
    // A job of today may be reading them.
    if (unused < DAY || (unused < KEEP_UNUSED && bytes <= most)) break;
    bytes -= each.bytes;
    await drop(each.path, log);
  }
}

const drop = (path: string, log: Context['log']): Promise<void> =>
  rm(path, { recursive: true, force: true }).catch((error: unknown) => {
    log.warn({ error }, 'could not remove a file that is no longer used');
  });

/** Of a file, or of the files in a folder. */
async function bytesIn(path: string): Promise<number> {
  const names = await namesIn(path);
  if (names.length === 0) return (await stat(path).catch(() => null))?.size ?? 0;
  let sum = 0;
  for (const name of names) sum += (await stat(join(path, name)).catch(() => null))?.size ?? 0;
  return sum;
}

const namesIn = (folder: string): Promise<string[]> =>
  readdir(folder).catch((error: unknown) => {
    if (isFileError(error, 'ENOENT') || isFileError(error, 'ENOTDIR')) return [];
    throw error;
  });
