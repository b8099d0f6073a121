/** @file How long a stage was trained and on which machine, from the metadata of its saved state. */
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { threadsWanted } from '../../core/environment.ts';
import { currentDevice } from '../../gpu-worker/graph/device.ts';
import { openSafetensors } from '../../gpu-worker/models/safetensors.ts';

export interface StageRecord {
  /** Steps taken. */
  readonly steps: number;
  /** Training time over all attempts, without pauses between them; null if the state doesn't record it. */
  readonly seconds: number | null;
  /** Threads of one operator and the processor at the last save. */
  readonly threads: number | null;
  readonly processor: string | null;
}

/** File of a stage's saved state. */
export const statePath = (folder: string, stage: string): string => join(folder, `${stage}.safetensors`);

/** @param threads as requested; undefined or 0: KRONA_THREADS, or all cores */
export function recordFacts(
  seconds: number | null,
  threads: number | undefined,
): Readonly<Record<string, string>> {
  const device = currentDevice() === 'cpu' ? '' : `, ${currentDevice()}`;
  return {
    ...(seconds === null ? {} : { seconds: `${seconds}` }),
    threads: `${threads || threadsWanted() || availableParallelism()}`,
    processor: `${cpus()[0]?.model.trim() || 'unknown'}${device}`,
  };
}

/** @param facts metadata of a saved state */
export function recordOf(facts: ReadonlyMap<string, string>): StageRecord {
  const number = (key: string): number | null => (facts.has(key) ? Number(facts.get(key)) : null);
  return {
    steps: number('step') ?? 0,
    seconds: number('seconds'),
    threads: number('threads'),
    processor: facts.get('processor') ?? null,
  };
}

/** null if the stage has saved nothing. @throws KronaError SAFETENSORS_* when its state is damaged */
export async function readStageRecord(folder: string, stage: string): Promise<StageRecord | null> {
  try {
    return recordOf((await openSafetensors(statePath(folder, stage))).metadata);
  } catch (error) {
    if ((error as { code?: string }).code === 'FILE_NOT_FOUND') return null;
    throw error;
  }
}
