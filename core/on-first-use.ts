/** Does work on first use and keeps its result; after a failure, the next use tries again. */
export function onFirstUse<T>(work: () => Promise<T>): () => Promise<T> {
  let known: Promise<T> | null = null;
  return () =>
    (known ??= work().catch((error: unknown) => {
      known = null;
      throw error;
    }));
}
