/** @file Work that ends with the first of several signals. */

/**
 * Does work with a signal that aborts when one of the given ones does. Unlike `AbortSignal.any`, it leaves nothing behind in a
 * signal that outlives the work: Node keeps a reference to each signal that was ever derived from it.
 */
export async function onFirstOf<T>(
  signals: readonly AbortSignal[],
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const first = new AbortController();
  const listening = signals.map((signal) => ({ signal, end: () => first.abort(signal.reason) }));
  for (const { signal, end } of listening) {
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  }
  try {
    return await work(first.signal);
  } finally {
    for (const { signal, end } of listening) signal.removeEventListener('abort', end);
  }
}
