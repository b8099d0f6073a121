/** Progress is written often enough to follow, seldom enough for the database, and its last state always. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Paced } from '../../gpu-worker/jobs/paced.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Writes the state into a list, at the time that the fake clock shows. */
function written(interval: number) {
  const began = performance.now();
  const log: [number, string][] = [];
  const state = { now: '' };
  const paced = new Paced(async () => {
    log.push([performance.now() - began, state.now]);
  }, interval);
  const change = (now: string) => {
    state.now = now;
    paced.touch();
  };
  return { log, paced, change };
}

it('writes a first change at once, and later ones together, in their newest state', async () => {
  const { log, change } = written(1_000);
  change('step 1');
  await vi.advanceTimersByTimeAsync(1);
  for (const step of ['step 2', 'step 3', 'step 4']) change(step);
  await vi.advanceTimersByTimeAsync(998);
  expect(log).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(10);
  expect(log.map(([, state]) => state)).toEqual(['step 1', 'step 4']);
  expect(log[1]![0] - log[0]![0]).toBeGreaterThanOrEqual(1_000);
});

it('writes nothing while nothing changes', async () => {
  const { log, change } = written(1_000);
  change('step 1');
  await vi.advanceTimersByTimeAsync(60_000);
  expect(log).toHaveLength(1);
});

it('writes changes from during a slow write after it, never two at a time', async () => {
  let writing = 0;
  let most = 0;
  let writes = 0;
  const paced = new Paced(async () => {
    most = Math.max(most, ++writing);
    writes++;
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    writing--;
  }, 1_000);
  paced.touch();
  await vi.advanceTimersByTimeAsync(2_500);
  paced.touch();
  await vi.advanceTimersByTimeAsync(2_400);
  expect(writes).toBe(1);
  await vi.advanceTimersByTimeAsync(10_000);
  expect([writes, most]).toEqual([2, 1]);
});

it('writes the last state at the end without delay, and nothing after', async () => {
  const { log, paced, change } = written(1_000);
  change('step 1');
  await vi.advanceTimersByTimeAsync(1);
  change('done');
  await paced.finish();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(log.map(([, state]) => state)).toEqual(['step 1', 'done']);
});

it('writes nothing at the end when everything is written', async () => {
  const { log, paced, change } = written(1_000);
  change('step 1');
  await vi.advanceTimersByTimeAsync(1);
  await paced.finish();
  expect(log).toHaveLength(1);
});
