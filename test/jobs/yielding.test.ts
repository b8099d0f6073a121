/** Work that ends for more urgent work, and begins again after it. */
import { expect, it } from 'vitest';
import { Yielding } from '../../gpu-worker/engine/yielding.ts';

/** Work that runs until it is told to end, or to throw. */
function endless() {
  const begun: AbortSignal[] = [];
  const work = (signal: AbortSignal): Promise<never> => {
    begun.push(signal);
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
  };
  return { begun, work };
}
/** A promise and what ends it. */
function held() {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve: () => resolve() };
}
const soon = () => new Promise((resolve) => setImmediate(resolve));

it('ends for urgent work, waits until all of it is done, and begins again', async () => {
  const yielding = new Yielding();
  const { begun, work } = endless();
  const stop = new AbortController();
  let waits = 0;
  const running = yielding.run(work, stop.signal, () => (waits += 1));
  await soon();
  expect(begun).toHaveLength(1);
  const [one, other] = [held(), held()];
  const urgent = [yielding.urgent(() => one.promise), yielding.urgent(() => other.promise)];
  await soon();
  expect(begun[0]!.aborted).toBe(true);
  one.resolve();
  await urgent[0];
  await soon();
  expect(begun).toHaveLength(1);
  expect(waits).toBe(1);
  other.resolve();
  await urgent[1];
  await soon();
  expect(begun).toHaveLength(2);
  stop.abort(new Error('cancelled'));
  await expect(running).rejects.toThrow('cancelled');
});

it('is cancelled while it waits, and passes errors on', async () => {
  const yielding = new Yielding();
  const stop = new AbortController();
  const busy = held();
  const urgent = yielding.urgent(() => busy.promise);
  const waiting = yielding.run(endless().work, stop.signal);
  stop.abort(new Error('cancelled'));
  await expect(waiting).rejects.toThrow('cancelled');
  busy.resolve();
  await urgent;
  await expect(
    yielding.run(() => Promise.reject(new Error('broken')), new AbortController().signal),
  ).rejects.toThrow('broken');
  await expect(yielding.run(async () => 'done', new AbortController().signal)).resolves.toBe('done');
});
