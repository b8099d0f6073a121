/** What a training that moves to another worker finds, where its stored state or checkpoints are damaged or deleted. */
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { exists, writeWhole } from '../../core/files.ts';
import type { Adapter, Run, Subject } from '../../core/records.ts';
import type { WorkerContext } from '../../gpu-worker/jobs/context.ts';
import { HandOver } from '../../gpu-worker/jobs/hand-over.ts';
import { refineAsk } from '../../gpu-worker/jobs/refine-ask.ts';
import { checkpointPath } from '../../gpu-worker/training/checkpoint.ts';
import { saveOptimizer, savedStep } from '../../gpu-worker/training/optimizer-file.ts';
import { statePath } from '../../gpu-worker/training/resume.ts';
import type { BlobStore } from '../../storage/blobs/contract.ts';
import { openBlobFolder } from '../../storage/blobs/folder.ts';

const log = { info: () => {}, warn: () => {}, error: () => {} };

let folder: string;
let blobs: BlobStore;
let stored: { hash: string; step: number } | null;
let adapters: Adapter[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-hand-over-'));
});
beforeEach(async () => {
  blobs = await openBlobFolder(join(folder, randomUUID()));
  stored = null;
  adapters = [];
});
afterAll(() => rm(folder, { recursive: true }));

/** A worker with a folder of its own, whose run has a checkpoint every 20 steps. */
async function machine() {
  const own = join(folder, randomUUID());
  await mkdir(own);
  const out = join(own, 'adapter.safetensors');
  const records = {
    runState: async () => stored,
    saveRunState: async (_: string, state: typeof stored) => void (stored = state),
  };
  const handOver = new HandOver({
    context: { records, blobs, isApart: true, log } as unknown as WorkerContext,
    runId: 'run',
    out,
    checkpointEvery: 20,
    adapters: async () => adapters,
  });
  const save = (step: number) => {
    const vector = Float32Array.of(step, 1, 2);
    return saveOptimizer(statePath(out), { step, parameters: vector, m: vector, v: vector, average: null });
  };
  const store = async (step: number) => {
    await writeWhole(checkpointPath(out, step), `the adapter of step ${step}`);
    const { hash: blobHash } = await blobs.put(Buffer.from(`the adapter of step ${step}`));
    adapters.push({ id: `${step}`, step, final: false, blobHash } as Adapter);
  };
  return { out, handOver, save, store };
}

/** A worker that stored its state at step 21 and is gone. */
async function gone(): Promise<void> {
  const one = await machine();
  await one.save(21);
  await one.store(20);
  await one.handOver.keep();
  expect(stored?.step).toBe(21);
}

const cutOff = async (hash: string) => truncate((await blobs.localPath(hash))!, 10);

it('a damaged state that was stored costs the run its steps, and is replaced by the next', async () => {
  await gone();
  await cutOff(stored!.hash);
  const { out, handOver, save } = await machine();
  expect(await handOver.take()).toEqual({ step: 0, elsewhere: false });
  expect(stored).toBeNull();
  expect(await exists(statePath(out))).toBe(false);
  await save(21);
  await handOver.keep();
  // The same bytes have the same name: storing them again mended the file.
  const third = await machine();
  expect(await third.handOver.take()).toEqual({ step: 21, elsewhere: true });
});

it('a damaged state of its own is no reason to stop, and the stored one is taken instead', async () => {
  await gone();
  const { out, handOver, save } = await machine();
  await save(30);
  expect(await handOver.take()).toEqual({ step: 30, elsewhere: false });
  // The engine finds that it can't be resumed.
  expect(await handOver.takeInstead()).toEqual({ step: 21, elsewhere: true });
  expect(await savedStep(statePath(out))).toBe(21);
  await truncate(statePath(out), 10);
  await handOver.keep();
  expect(stored?.step).toBe(21);
  // That one is no better, so nobody takes it again.
  expect(await handOver.takeInstead()).toBeNull();
  expect(stored).toBeNull();
});

it('a checkpoint that is damaged, or that a member deleted, costs no more than itself', async () => {
  for (const lose of [() => cutOff(adapters[0]!.blobHash), () => adapters.pop()]) {
    adapters = [];
    await gone();
    await lose();
    const { out, handOver, save, store } = await machine();
    expect(await handOver.take()).toEqual({ step: 21, elsewhere: true });
    expect(await exists(checkpointPath(out, 20))).toBe(false);
    // Its own states are stored as before: at once, and from the next checkpoint on when that is stored.
    await save(33);
    await handOver.keep();
    expect(stored?.step).toBe(33);
    await save(45);
    await handOver.keep();
    expect(stored?.step).toBe(33);
    await store(40);
    await handOver.keep();
    expect(stored?.step).toBe(45);
  }
});

it('a refinement that has begun goes on elsewhere, though another adapter is the champion by now', async () => {
  const { hash: blobHash } = await blobs.put(Buffer.from('the champion of its start'));
  const context = {
    ...{ blobs, log, engine: { fits: async () => true } },
    records: { adapter: async () => ({ id: 'before', blobHash }) },
  } as unknown as WorkerContext;
  const run = { id: 'run', refinement: { from: 'before' } } as Run;
  const subject = { name: 'mochi', championId: 'after' } as Subject;
  const own = join(folder, randomUUID());
  await writeWhole(join(own, 'votes.json'), JSON.stringify({ pairs: [], examples: [], members: 3 }));
  const asked = (begun: boolean) => refineAsk(context, run, subject, own, begun);
  await expect(asked(false)).rejects.toMatchObject({ code: 'CHAMPION_CHANGED' });
  expect(await asked(true)).toMatchObject({ members: 3 });
});

it('a refinement goes on elsewhere with the votes of its start, though they were taken back since', async () => {
  const bytes = ['champion', 'winner', 'loser'];
  const [from, winner, loser] = await Promise.all(bytes.map((each) => blobs.put(Buffer.from(each))));
  const context = {
    ...{ blobs, log, isApart: true, engine: { fits: async () => true } },
    records: {
      adapter: async () => ({ id: 'from', blobHash: from!.hash }),
      standingVotes: async () => ({ votes: [], pictures: [], sets: [] }),
    },
  } as unknown as WorkerContext;
  const run = { id: 'run', refinement: { from: 'from' } } as Run;
  const subject = { name: 'mochi', championId: 'from' } as Subject;
  const pair = { setId: 'set', prompt: 'a cat', winner: winner!.hash, loser: loser!.hash, weight: 1 };
  const one = join(folder, randomUUID());
  await writeWhole(join(one, 'votes.json'), JSON.stringify({ pairs: [pair], examples: [], members: 3 }));
  const first = await refineAsk(context, run, subject, one, false);
  const moved = { ...run, refinement: { ...run.refinement!, votesHash: first!.votesHash! } };
  const other = await refineAsk(context, moved, subject, join(folder, randomUUID()), true);
  expect(other!.options.pairs).toMatchObject([{ set: 'set', prompt: 'a cat', weight: 1 }]);
  expect(await readFile(other!.options.pairs[0]!.winner, 'utf8')).toBe('winner');
  // Where a picture was deleted, the votes of now count.
  await blobs.delete(loser!.hash);
  await expect(refineAsk(context, moved, subject, join(folder, randomUUID()), true)).rejects.toMatchObject({
    code: 'VOTES_TOO_FEW',
  });
});
