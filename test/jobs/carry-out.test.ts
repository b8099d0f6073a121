/** What counts against a job: crashes of workers with it, and an engine that dies of it without getting any further. */
import { expect, it } from 'vitest';
import { KronaError } from '../../core/errors.ts';
import type { PictureSet, Run } from '../../core/records.ts';
import { carryOut, type Conduct, RUNS, SETS } from '../../gpu-worker/jobs/carry-out.ts';
import type { WorkerContext } from '../../gpu-worker/jobs/context.ts';

const log = { info: () => {}, warn: () => {}, error: () => {} };

/** Carries out a set's job. @returns the set after it, and the code of what the queue was told */
async function tried(job: { attempt: number; crashes: number }, work: (conduct: Conduct) => Promise<void>) {
  let advances = 0;
  const advance = async () => void advances++;
  const set: Partial<PictureSet> = { id: 'set', state: 'queued' };
  const within = {
    set: async () => set,
    updateSet: async (_: string, change: Partial<PictureSet>) => void Object.assign(set, change),
  };
  const records = { ...within, transaction: (all: (records: object) => Promise<unknown>) => all(within) };
  const context = { records, log } as unknown as WorkerContext;
  const { signal } = new AbortController();
  const told = await carryOut(
    SETS,
    'set',
    { ...job, lastTry: true, advance, signal },
    context,
    (_, conduct) => work(conduct),
  ).then(
    () => null,
    (error: unknown) => (error as KronaError).code,
  );
  return { state: set.state, failure: set.failure?.code ?? null, told, advances };
}

it('a job is given up after 25 crashes, however often it was handed on', async () => {
  const draws = async () => {};
  expect(await tried({ attempt: 90, crashes: 24 }, draws)).toEqual({
    state: 'done',
    failure: null,
    told: null,
    advances: 0,
  });
  expect(await tried({ attempt: 26, crashes: 25 }, draws)).toMatchObject({
    state: 'failed',
    failure: 'WORK_GIVEN_UP',
  });
});

it('an engine that dies after the job got further does not count against it', async () => {
  const dies =
    (further: boolean, code = 'ENGINE_DIED') =>
    async (conduct: Conduct) => {
      if (further) conduct.advance();
      throw new KronaError(code, 'It died.', { retryable: true });
    };
  const job = { attempt: 3, crashes: 0 };
  const goesOn = { state: 'running', failure: null, advances: 1 };
  expect(await tried(job, dies(true))).toEqual({ ...goesOn, told: 'JOB_AGAIN' });
  // The same of any other fault that can pass.
  expect(await tried(job, dies(true, 'HUB_UNREACHABLE'))).toEqual({ ...goesOn, told: 'HUB_UNREACHABLE' });
  expect(await tried(job, dies(false))).toMatchObject({ state: 'failed', failure: 'ENGINE_DIED' });
});

it('a training waits for a full or read-only disk, and says so', async () => {
  const run = { id: 'run', state: 'queued', progress: { step: 7, steps: 9, phase: 'training' } } as Run;
  const within = {
    run: async () => run,
    updateRun: async (_: string, change: Partial<Run>) => void Object.assign(run, change),
  };
  const records = { ...within, transaction: (all: (records: object) => Promise<unknown>) => all(within) };
  const { signal } = new AbortController();
  for (const code of ['DISK_FULL', 'DISK_READ_ONLY']) {
    const job = { attempt: 3, crashes: 0, lastTry: true, advance: async () => {}, signal };
    const tried = carryOut(RUNS, 'run', job, { records, log } as unknown as WorkerContext, async () => {
      throw new KronaError(code, 'It takes no files.', { retryable: true });
    });
    await expect(tried).rejects.toMatchObject({ code: 'JOB_LATER' });
    expect(run).toMatchObject({ state: 'running', progress: { step: 7, phase: 'waiting for the disk' } });
  }
});
