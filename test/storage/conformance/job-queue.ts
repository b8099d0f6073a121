/** @file What every JobQueue does. Tests share the queues of one server and leave them empty. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { KronaError } from '../../../core/errors.ts';
import { runFork } from '../helpers/servers.ts';
import type { JobContext, JobQueue, JobWorkerHandle } from '../../../storage/jobs/contract.ts';

/** Long enough for a loaded machine; nothing here waits for it to pass. */
const PATIENCE = { timeout: 30_000, interval: 50 };

/**
 * @param open a new connection to the same queues each time, as bot and worker have
 * @param url of the queues' server, for a worker in a process of its own
 */
export function runJobQueueTests(open: (version?: number) => Promise<JobQueue>, url: () => string): void {
  let bot: JobQueue;
  let worker: JobQueue;

  beforeAll(async () => {
    [bot, worker] = await Promise.all([open(), open()]);
  });
  afterAll(async () => {
    await bot?.close();
    await worker?.close();
  });

  const train = async (): Promise<string> => {
    const runId = randomUUID();
    await bot.enqueue('train', runId, { runId });
    return runId;
  };

  /** Runs trainings until the test has seen enough. */
  async function working(
    handler: (job: JobContext<'train'>) => Promise<void>,
    test: (handle: JobWorkerHandle) => Promise<void>,
  ): Promise<void> {
    const handle = await worker.work('train', handler);
    try {
      await test(handle);
    } finally {
      await handle.close();
    }
  }

  const ends = (id: string, state: string) =>
    vi.waitFor(async () => expect(await bot.state('train', id)).toBe(state), PATIENCE);

  const stopped = (signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve());
    });

  it('runs jobs one after another, in order of arrival, each once', async () => {
    const ran: string[] = [];
    const ids = [await train(), await train(), await train()];
    await bot.enqueue('train', ids[1]!, { runId: ids[1]! });
    expect(await Promise.all(ids.map((id) => bot.position('train', id)))).toEqual([1, 2, 3]);
    expect([...(await bot.positions('train'))]).toEqual(ids.map((id, place) => [id, place + 1]));
    let atOnce = 0;
    await working(
      async (job) => {
        expect(++atOnce).toBe(1);
        expect(job).toMatchObject({ attempt: 1, payload: { runId: job.id } });
        ran.push(job.id);
        // As long as another would need to begin.
        for (const id of ids) await bot.position('train', id);
        atOnce--;
      },
      async () => {
        await ends(ids[2]!, 'completed');
        expect(ran).toEqual(ids);
      },
    );
    // Ended jobs are not forgotten: adding one again does nothing.
    await bot.enqueue('train', ids[0]!, { runId: ids[0]! });
    expect(await bot.state('train', ids[0]!)).toBe('completed');
    expect(await bot.position('train', ids[0]!)).toBeNull();
  });

  it('takes turns by channel and member, at the position that it reports', async () => {
    const add = async (channelId: string, memberId: string, count: number): Promise<string[]> => {
      const ids = Array.from({ length: count }, () => randomUUID());
      for (const runId of ids) await bot.enqueue('train', runId, { runId }, { channelId, memberId });
      return ids;
    };
    const ann = await add('one', 'ann', 4);
    const ben = await add('one', 'ben', 2);
    const eve = await add('two', 'eve', 2);
    const order = [ann[0], eve[0], ben[0], eve[1], ann[1], ben[1], ann[2], ann[3]];
    expect(await Promise.all(order.map((id) => bot.position('train', id!)))).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8,
    ]);
    // A second time, it is where it was.
    await bot.enqueue('train', ann[3]!, { runId: ann[3]! }, { channelId: 'one', memberId: 'ann' });
    expect(await bot.position('train', ann[3]!)).toBe(8);
    const ran: string[] = [];
    const handle = await worker.work('train', async ({ id }) => void ran.push(id));
    await ends(ann[3]!, 'completed');
    await handle.close();
    expect(ran).toEqual(order);
  });

  it('adds a job again if it has ended or is missing, but not if it is queued or running', async () => {
    const runId = await train();
    const restore = () => bot.restore('train', runId, { runId }, null);
    expect([...(await bot.unfinished('train'))]).toEqual([runId]);
    expect(await restore()).toBe(false);
    await working(
      async () => {},
      () => ends(runId, 'completed'),
    );
    expect((await bot.unfinished('train')).size).toBe(0);
    expect(await Promise.all([restore(), worker.restore('train', runId, { runId }, null)])).toContain(true);
    expect([...(await bot.unfinished('train'))]).toEqual([runId]);
    let runs = 0;
    await working(
      async () => void runs++,
      () => ends(runId, 'completed'),
    );
    expect(runs).toBe(1);
  });

  it('reports nothing for a job that was never added', async () => {
    expect(await bot.state('train', randomUUID())).toBe('unknown');
    expect(await bot.position('train', randomUUID())).toBeNull();
    expect(await bot.cancel('train', randomUUID())).toBe(false);
  });

  it('starts a job that arrives while its worker is idle', async () => {
    const started: string[] = [];
    await working(
      async (job) => void started.push(job.id),
      async () => {
        const ids: string[] = [];
        for (let n = 0; n < 4; n++) {
          ids.push(await train());
          await ends(ids[n]!, 'completed');
        }
        expect(started).toEqual(ids);
      },
    );
  });

  it('draws pictures while a training runs', async () => {
    const setId = randomUUID();
    const runId = await train();
    await working(
      (job) => stopped(job.signal),
      async () => {
        await ends(runId, 'active');
        expect(await bot.position('train', runId)).toBe(0);
        const drawing = await worker.work('imagine', async () => {});
        await bot.enqueue('imagine', setId, { setId });
        await vi.waitFor(async () => expect(await bot.state('imagine', setId)).toBe('completed'), PATIENCE);
        expect(await bot.state('train', runId)).toBe('active');
        await drawing.close();
        expect(await bot.cancel('train', runId)).toBe(true);
        await ends(runId, 'cancelled');
      },
    );
  });

  it('stops a cancelled running job, however its handler ends', async () => {
    const reasons: unknown[] = [];
    const throws = await train();
    const returns = await train();
    await working(
      async (job) => {
        await stopped(job.signal);
        reasons.push((job.signal.reason as KronaError).code);
        if (job.id === throws) job.signal.throwIfAborted();
      },
      async () => {
        for (const id of [throws, returns]) {
          await ends(id, 'active');
          expect(await bot.cancel('train', id)).toBe(true);
          await ends(id, 'cancelled');
          expect(await bot.cancel('train', id)).toBe(false);
        }
        expect(reasons).toEqual(['JOB_CANCELLED', 'JOB_CANCELLED']);
      },
    );
  });

  it('stops counting a cancelled queued job at once, and tells its handler at its turn', async () => {
    const [first, second, third] = [await train(), await train(), await train()];
    expect(await bot.cancel('train', second)).toBe(true);
    expect(await bot.state('train', second)).toBe('cancelled');
    expect(await bot.cancel('train', second)).toBe(false);
    expect(await bot.position('train', second)).toBeNull();
    expect(await bot.position('train', third)).toBe(2);
    // The outbox may bring it once more.
    await bot.enqueue('train', second, { runId: second });
    const aborted: string[] = [];
    await working(
      async (job) => {
        if (job.signal.aborted) aborted.push(job.id);
      },
      async () => {
        await ends(third, 'completed');
        expect(await bot.state('train', first)).toBe('completed');
        expect(await bot.state('train', second)).toBe('cancelled');
        expect(aborted).toEqual([second]);
      },
    );
  });

  it('retries temporary faults, three times in all, but not coded errors', async () => {
    const tries = new Map<string, [attempt: number, lastTry: boolean][]>();
    const crashes = new Set<number>();
    const [passing, lasting, refused, away] = [await train(), await train(), await train(), await train()];
    await working(
      async (job) => {
        tries.set(job.id, [...(tries.get(job.id) ?? []), [job.attempt, job.lastTry]]);
        crashes.add(job.crashes);
        if (job.id === passing && job.attempt === 1)
          throw new KronaError('BUSY', 'Busy.', { retryable: true });
        // A disk or a server that is away doesn't count.
        if (job.id === away && job.attempt <= 3)
          throw new KronaError('JOB_LATER', 'A full disk.', { retryable: true });
        if (job.id === lasting) throw new Error('a bug');
        if (job.id === refused) throw new KronaError('PHOTO_EMPTY', 'The photo is empty.');
      },
      async () => {
        await ends(refused, 'failed');
        await ends(passing, 'completed');
        await ends(lasting, 'failed');
        await ends(away, 'completed');
      },
    );
    expect([...crashes]).toEqual([0]);
    expect(tries.get(away)).toEqual([
      [1, false],
      [2, false],
      [3, false],
      [4, false],
    ]);
    expect(tries.get(passing)).toEqual([
      [1, false],
      [2, false],
    ]);
    expect(tries.get(lasting)).toEqual([
      [1, false],
      [2, false],
      [3, true],
    ]);
    expect(tries.get(refused)).toEqual([[1, false]]);
  });

  it('a try that is none of its fault does not count', async () => {
    const [innocent, second] = [await train(), await train()];
    const ran: [string, number, boolean][] = [];
    await working(
      async (job) => {
        ran.push([job.id, job.attempt, job.lastTry]);
        if (job.id === innocent && ran.length < 5)
          throw new KronaError('JOB_AGAIN', 'Again.', { retryable: true });
      },
      () => ends(second, 'completed'),
    );
    expect(ran).toEqual([...Array.from({ length: 5 }, () => [innocent, 1, false]), [second, 1, false]]);
  });

  it('a job that gets further between its failures goes on; one that fails three times in a row ends', async () => {
    const id = await train();
    const lastTries: boolean[] = [];
    await working(
      async (job) => {
        lastTries.push(job.lastTry);
        if (job.attempt === 3 || job.attempt === 4) await job.advance();
        throw new KronaError('ENGINE_DIED', 'It died.', { retryable: true });
      },
      () => ends(id, 'failed'),
    );
    // The third would have been the last.
    expect(lastTries).toEqual([false, false, true, false, false, true]);
  });

  it('a job that is cancelled while it is put back stays cancelled', async () => {
    const id = await train();
    const attempts: number[] = [];
    await working(
      async (job) => {
        attempts.push(job.attempt);
        if (attempts.length > 1) return;
        await bot.cancel('train', id);
        throw new KronaError('JOB_AGAIN', 'Again.', { retryable: true });
      },
      () => ends(id, 'cancelled'),
    );
    expect(attempts.every((attempt) => attempt === 1)).toBe(true);
  });

  it('runs a job again before the queued ones after its worker was closed', async () => {
    const [first, second] = [await train(), await train()];
    const reasons: unknown[] = [];
    await working(
      async (job) => {
        await stopped(job.signal);
        reasons.push((job.signal.reason as KronaError).code);
        job.signal.throwIfAborted();
      },
      () => ends(first, 'active'),
    );
    expect(reasons).toEqual(['JOB_INTERRUPTED']);
    expect(await bot.state('train', first)).toBe('waiting');
    expect(await bot.position('train', first)).toBe(1);
    const ran: [string, number, number][] = [];
    await working(
      async (job) => void ran.push([job.id, job.attempt, job.crashes]),
      () => ends(second, 'completed'),
    );
    expect(ran).toEqual([
      [first, 2, 0],
      [second, 1, 0],
    ]);
  });

  it("gives a killed worker's job to the next one, as a second attempt, before the queued ones", async () => {
    const [first, second, third] = [await train(), await train(), await train()];
    const child = runFork('endless-worker.ts', [url()]);
    try {
      expect(await once(child, 'message')).toEqual([{ id: first, attempt: 1 }, undefined]);
    } finally {
      child.kill('SIGKILL');
    }
    await once(child, 'exit');
    const ran: [string, attempt: number, crashes: number][] = [];
    await working(
      async (job) => {
        ran.push([job.id, job.attempt, job.crashes]);
        // From here on, that crash counts no more.
        if (job.crashes > 0) {
          await job.advance();
          throw new KronaError('JOB_AGAIN', 'Again.', { retryable: true });
        }
        // Still busy when the dead worker's claim runs out.
        if (job.id === second) {
          await vi.waitFor(async () => expect(await bot.position('train', first)).toBe(1), PATIENCE);
        }
      },
      () => ends(third, 'completed'),
    );
    expect(ran).toEqual([
      [second, 1, 0],
      [first, 2, 1],
      [first, 2, 0],
      [third, 1, 0],
    ]);
  });

  it('leaves a job of a later version to a worker that knows it, and runs others meanwhile', async () => {
    const later = await open(2);
    const [newer, older] = [randomUUID(), randomUUID()];
    await later.enqueue('train', newer, { runId: newer });
    await bot.enqueue('train', older, { runId: older });
    const ran: string[] = [];
    await working(
      async ({ id }) => void ran.push(id),
      async () => {
        await ends(older, 'completed');
        expect(await bot.state('train', newer)).toBe('waiting');
      },
    );
    // It was offered, but never begun.
    await later.work('train', async ({ id, attempt }) => void ran.push(`${id} later, attempt ${attempt}`));
    try {
      await ends(newer, 'completed');
    } finally {
      await later.close();
    }
    expect(ran).toEqual([older, `${newer} later, attempt 1`]);
  });

  it('asks before each job whether to take it, and shows which it would be', async () => {
    const ids = [await train(), await train()];
    const seen: (string | undefined)[] = [];
    let letGo = (): void => {};
    const waiting = new Promise<void>((resolve) => (letGo = resolve));
    const handle = await worker.work('train', async () => {}, {
      beforeTaking: async (next) => {
        const job = await next();
        seen.push(job?.payload.runId);
        if (seen.length === 1) await waiting;
      },
    });
    try {
      await vi.waitFor(() => expect(seen).toEqual([ids[0]]), PATIENCE);
      expect(await bot.state('train', ids[0]!)).toBe('waiting');
      letGo();
      await ends(ids[1]!, 'completed');
    } finally {
      await handle.close();
    }
    expect(seen.slice(0, 2)).toEqual(ids);
  });

  it('finishes the running job before it closes, where that is wanted, and takes no other', async () => {
    const [first, second] = [await train(), await train()];
    let finish = (): void => {};
    const finished = new Promise<void>((resolve) => (finish = resolve));
    const signals: AbortSignal[] = [];
    const handle = await worker.work('train', async ({ signal }) => {
      signals.push(signal);
      await finished;
    });
    await ends(first, 'active');
    const closing = handle.close({ finishMs: 60_000 });
    finish();
    await closing;
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    expect(await bot.state('train', first)).toBe('completed');
    expect(await bot.state('train', second)).toBe('waiting');
    // One that takes too long is interrupted after all.
    const slow = await worker.work('train', async ({ signal }) => {
      await stopped(signal);
      signal.throwIfAborted();
    });
    await ends(second, 'active');
    await slow.close({ finishMs: 1 });
    expect(await bot.state('train', second)).toBe('waiting');
    await working(
      async () => {},
      () => ends(second, 'completed'),
    );
  });

  it('keeps its jobs while neither bot nor worker runs', async () => {
    const id = randomUUID();
    const earlier = await open();
    await earlier.enqueue('train', id, { runId: id });
    await earlier.close();
    expect(await bot.state('train', id)).toBe('waiting');
    await working(
      async () => {},
      () => ends(id, 'completed'),
    );
  });
}
