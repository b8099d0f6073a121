/** `krona train --refine`: from an adapter and a file of pairs to a better adapter, and what is said of bad files. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSafetensors } from '../../gpu-worker/models/safetensors.ts';
import { makePhotos } from '../helpers/tiny-run.ts';
import { krona, TINY } from './run-krona.ts';

let folder: string;
const own = (name: string): string => join(folder, name);
const training = (out: string, ...more: string[]) => [
  ...['train', '--model', TINY, '--photos', own('photos'), '--subject', 'sks cat', '--steps', '2'],
  ...['--out', own(out), ...more],
];
const pairsFile = async (name: string, content: unknown): Promise<string> => {
  await writeFile(own(name), typeof content === 'string' ? content : JSON.stringify(content));
  return own(name);
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-cli-refine-'));
  await makePhotos(own('photos'), 2);
  await makePhotos(own('pictures'), 3);
});
afterAll(() => rm(folder, { recursive: true }));

const PAIR = {
  winner: 'pictures/photo-0.png',
  loser: 'pictures/photo-1.png',
  prompt: 'a sks cat on grass',
};

it('goes on from an adapter of any method, and tells how it orders the pairs', async () => {
  expect((await krona(...training('champion.safetensors', '--method', 'lora', '--rank', '2'))).code).toBe(0);
  const pairs = await pairsFile('pairs.json', {
    pairs: Array.from({ length: 5 }, () => PAIR),
    examples: [{ picture: PAIR.winner, prompt: PAIR.prompt, weight: 2 }],
  });
  const refined = await krona(
    ...training('refined.safetensors', '--refine', own('champion.safetensors'), '--pairs', pairs),
  );
  expect(refined.code, refined.stderr).toBe(0);
  expect(refined.stdout).toMatch(/ordered as people did: \d+% of pairs, of held-out pairs \d+%; margin /);
  const { metadata } = await openSafetensors(own('refined.safetensors'));
  expect([metadata.get('krona.rank'), metadata.get('krona.a1')]).toEqual(['2', undefined]);
  expect(JSON.parse(metadata.get('krona.settings') ?? '')).toMatchObject({
    method: 'lora',
    refine: { pairs: 5, examples: 1, preference: 'dpo', example_steps: 0 },
  });
});

it('says what is wrong with a file of pairs', async () => {
  const refused = async (content: unknown) => {
    const path = await pairsFile('bad.json', content);
    const ended = await krona(
      ...training('never.safetensors', '--refine', own('champion.safetensors'), '--pairs', path),
    );
    expect(ended.code).not.toBe(0);
    return ended.stderr;
  };
  expect(await refused('not JSON')).toContain('PAIRS_INVALID');
  expect(await refused({ pairs: [{ ...PAIR, weight: 0 }] })).toMatch(/“weight” of pair 1/);
  expect(await refused({ pairs: [{ ...PAIR, loser: 'none.png' }] })).toMatch(
    /none\.png, the loser of pair 1/,
  );
  expect(await refused({ pairs: [] })).toContain('PAIRS_MISSING');
  const alone = await krona(...training('never.safetensors', '--refine', own('champion.safetensors')));
  expect(alone.stderr).toContain('OPTION_MISSING');
});
