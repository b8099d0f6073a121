import { expect, it } from 'vitest';
import type { WorkerRecord } from '../../core/workers.ts';
import {
  ADAPTER_PATIENCE,
  leavingToOthers,
  MODEL_PATIENCE,
  patience,
} from '../../gpu-worker/jobs/affinity.ts';
import { openHouse } from '../helpers/house.ts';
import { newRun, newSet, newSubject } from '../helpers/new-records.ts';
import { DEFAULT_SETTINGS } from '../../core/settings/defaults.ts';

const worker = (change: Partial<WorkerRecord> = {}): WorkerRecord => ({
  id: 'w',
  host: 'one',
  version: '0.1.0',
  device: 'cpu',
  memory: 1,
  models: ['sdxl'],
  adapters: [],
  doing: [],
  state: 'working',
  startedAt: new Date(),
  silentFor: 1,
  drain: false,
  ...change,
});
const MOCHI = 'a'.repeat(64);
const needs = { model: 'sdxl', adapters: [MOCHI] };
const DRAWS = [{ kind: 'imagine', id: 'set' }] as const;

it('a job waits for a worker that has its model, also a busy one', () => {
  const self = worker({ models: ['sd15'] });
  expect(patience(needs, self, [worker({ doing: DRAWS })])).toBe(MODEL_PATIENCE);
  expect(patience(needs, self, [worker({ models: ['sd15'] })])).toBe(0);
});

it('a job waits for a free worker that has its adapter, and for no other', () => {
  const holder = { adapters: ['b'.repeat(64), MOCHI] };
  expect(patience(needs, worker(), [worker(holder)])).toBe(ADAPTER_PATIENCE);
  for (const useless of [
    {},
    { ...holder, doing: DRAWS },
    { ...holder, silentFor: 60 },
    { ...holder, drain: true },
    { ...holder, state: 'draining' as const },
  ])
    expect(patience(needs, worker(), [worker(useless)])).toBe(0);
  expect(patience(needs, worker(holder), [worker(holder)])).toBe(0);
});

it('a worker waits no longer than that, and not for a job that another one has taken', async () => {
  const house = await openHouse();
  const { records } = house.storage;
  const channel = await records.channel('web', 'general', 'general');
  const member = await records.member('web', 'ada', 'Ada');
  const whose = { channelId: channel.id, memberId: member.id };
  const subject = await records.addSubject(newSubject({ channelId: channel.id, ownerId: member.id }));
  const run = await records.addRun(newRun(subject));
  const adapterId = crypto.randomUUID();
  await records.addAdapter({
    id: adapterId,
    runId: run.id,
    subjectId: subject.id,
    channelId: channel.id,
    step: 20,
    final: true,
    blobHash: MOCHI,
    size: 1,
    settings: DEFAULT_SETTINGS,
  });
  const set = await records.addSet(newSet({ ...whose, adapterId }));
  let looks = 0;
  const wait = leavingToOthers({
    records,
    self: () => worker(),
    others: async () => [worker({ adapters: [MOCHI] })],
  });
  const { signal } = new AbortController();
  const job = { id: set.id, payload: { setId: set.id } };
  const began = performance.now();
  // Another worker takes it while this one waits.
  await wait(async () => (++looks < 3 ? job : null), signal);
  expect(looks).toBe(3);
  // Nobody does.
  await wait(async () => job, signal);
  expect(performance.now() - began).toBeGreaterThanOrEqual(ADAPTER_PATIENCE);

  // A set with a pulled model is left to who has it; one with the default model isn't, whatever its name.
  const pulled = await records.addSet(newSet({ ...whose, model: 'sd15' }));
  looks = 0;
  const far = leavingToOthers({
    records,
    self: () => worker(),
    others: async () => [worker({ models: ['sd15'] })],
  });
  const next = (id: string) => async () => (++looks < 3 ? { id, payload: { setId: id } } : null);
  await far(next(pulled.id), signal);
  expect(looks).toBe(3);
  looks = 0;
  await far(next((await records.addSet(newSet(whose))).id), signal);
  expect(looks).toBe(1);
  await house.close();
});
