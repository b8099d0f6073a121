/** @file Pauses that grow, and one line in the log for each change of state. */
import { getEventListeners } from 'node:events';
import { expect, it } from 'vitest';
import { Backoff } from '../../core/backoff.ts';
import { oncePerState, repeat, retry } from '../../core/retrying.ts';

it('pauses longer after each failure, up to a maximum, with jitter', () => {
  const backoff = new Backoff({ first: 100, longest: 1_000 });
  const pauses = Array.from({ length: 20 }, () => backoff.next());
  expect(pauses[0]).toBeLessThanOrEqual(150);
  expect(pauses[19]).toBeGreaterThanOrEqual(1_000);
  expect(Math.max(...pauses)).toBeLessThanOrEqual(1_500);
  expect(new Set(pauses).size).toBe(20);
  backoff.reset();
  expect(backoff.next()).toBeLessThanOrEqual(150);
});

it('reports a repeated error once, and another error too', () => {
  const told: string[] = [];
  const tell = oncePerState((error: Error) => told.push(error.message));
  for (const message of ['lost', 'lost', 'full', 'lost']) tell(new Error(message));
  expect(told).toEqual(['lost', 'full']);
});

it('retries after equal failures, reports them once, and says when it works again', async () => {
  const stopping = new AbortController();
  const said: string[] = [];
  let rounds = 0;
  await repeat(
    async () => {
      rounds += 1;
      if (rounds <= 5) throw new Error('read-only');
      if (rounds === 8) stopping.abort();
    },
    {
      every: 1,
      pauses: { first: 1, longest: 2 },
      signal: stopping.signal,
      onError: (error) => said.push((error as Error).message),
      onRecovered: () => said.push('works again'),
    },
  );
  expect(said).toEqual(['read-only', 'works again']);
  expect(rounds).toBe(8);
});

it('tries until it succeeds or gives up, and no more once it is stopped', async () => {
  let tries = 0;
  const vain = async () => {
    tries += 1;
    throw new Error(`try ${tries}`);
  };
  const pause = (_: unknown, failures: number) => (failures < 4 ? 1 : null);
  await expect(retry(vain, { pause })).rejects.toThrow('try 4');
  const stopping = new AbortController();
  const stopped = retry(vain, { pause: () => 60_000, signal: stopping.signal });
  stopping.abort();
  await expect(stopped).rejects.toThrow('try 5');
  expect(await retry(async () => ++tries, { pause })).toBe(6);
});

it('leaves nothing behind in the signal that ends it, however many rounds it does', async () => {
  const stopping = new AbortController();
  const { signal } = stopping;
  /** Signals that were derived from it: Node keeps them in a property of its own. */
  const derived = (): number => {
    const own = Object.getOwnPropertySymbols(signal).find((key) => key.description === 'kDependantSignals');
    return own === undefined ? 0 : ((Reflect.get(signal, own) as Set<unknown> | undefined)?.size ?? 0);
  };
  let rounds = 0;
  const left: number[] = [];
  await repeat(
    async () => {
      rounds += 1;
      left.push(derived() + getEventListeners(signal, 'abort').length);
      if (rounds === 50) stopping.abort();
    },
    { every: 0, signal, hurry: () => new AbortController().signal, onError: () => {} },
  );
  expect(Math.max(...left)).toBe(0);
});
