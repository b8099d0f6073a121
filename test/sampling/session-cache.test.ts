/** Sessions are opened once while they are kept, and released exactly when they are not. */
import { beforeEach, expect, it } from 'vitest';
import { SessionCache } from '../../gpu-worker/sampling/session-cache.ts';

const opened: string[] = [];
const released: string[] = [];
let cache: SessionCache<{ readonly name: string; release(): Promise<void> }>;
beforeEach(() => {
  opened.length = released.length = 0;
  cache = new SessionCache(2);
});

/** The session of that key, noted when it is opened and released. */
const use = (name: string) =>
  cache.get(name, async () => {
    opened.push(name);
    return { name, release: async () => void released.push(name) };
  });

it('opens a session once for repeated requests', async () => {
  const first = await use('512x512');
  expect(await use('512x512')).toBe(first);
  expect(opened).toEqual(['512x512']);
});

it('closes the least recently used session, and opens it again on request', async () => {
  await use('a');
  await use('b');
  await use('a');
  await use('c');
  expect(released).toEqual(['b']);
  await use('a');
  expect(opened).toEqual(['a', 'b', 'c']);
  await use('b');
  expect(opened).toEqual(['a', 'b', 'c', 'b']);
  expect(released).toEqual(['b', 'c']);
});

it('keeps nothing of a session that failed to open', async () => {
  const failure = new Error('out of memory');
  await expect(cache.get('a', () => Promise.reject(failure))).rejects.toBe(failure);
  expect((await use('a')).name).toBe('a');
});

it('releases each kept session once, and can be used afterwards', async () => {
  await use('a');
  await use('b');
  await cache.release();
  await cache.release();
  expect(released.toSorted()).toEqual(['a', 'b']);
  await use('a');
  expect(opened).toEqual(['a', 'b', 'a']);
});
