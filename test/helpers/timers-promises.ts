/**
 * @file `node:timers/promises` on the global timers, so that `vi.useFakeTimers` rules it too. In a test file:
 * `vi.mock('node:timers/promises', () => import('../helpers/timers-promises.ts'))`.
 */

/** Resolves after `ms`; rejects with the signal's reason when that aborts first. */
export function setTimeout<T>(
  ms: number,
  value?: T,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      globalThis.clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = globalThis.setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve(value);
    }, ms);
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });
}

/** Resolves in the next turn of the event loop. */
export const setImmediate = (): Promise<void> => new Promise((resolve) => globalThis.setImmediate(resolve));
