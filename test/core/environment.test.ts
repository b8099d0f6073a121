/** @file Environment variables: the table in README.md has all of them, and empty ones count as unset. */
import { readFile } from 'node:fs/promises';
import { afterEach, expect, it, vi } from 'vitest';
import { cardEnvironment, childEnvironment, readEnvironment, VARIABLES } from '../../core/environment.ts';

afterEach(() => vi.unstubAllEnvs());

it('is described in README.md, variable by variable', async () => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  const [, table = ''] = /^\| variable [^\n]*\n\| *-[^\n]*\n((?:\|[^\n]*\n)+)/m.exec(readme) ?? [];
  const first = table.split('\n').map((row) => row.split('|')[1] ?? '');
  const described = first.flatMap((cell) => [...cell.matchAll(/`([A-Z0-9_]+)`/g)].map(([, name]) => name));
  expect(described.sort()).toEqual([...VARIABLES].sort());
});

it('omits empty variables and those of other programs', () => {
  expect(readEnvironment({ KRONA_PORT: '8000', KRONA_HOST: '', PATH: '/bin' })).toEqual({
    KRONA_PORT: '8000',
  });
});

it('gives worker and engine what they need, and no token or secret, known or unknown', () => {
  const secrets = VARIABLES.filter(
    (name) => /TOKEN$|SECRET|^SLACK|^DISCORD/.test(name) && name !== 'HF_TOKEN',
  );
  for (const name of [...secrets, 'GITHUB_TOKEN', 'AWS_SECRET_ACCESS_KEY', 'NPM_CONFIG__AUTH'])
    vi.stubEnv(name, 'hush');
  for (const name of ['DATABASE_URL', 'KRONA_MODEL', 'KRONA_THREADS', 'CUDA_VISIBLE_DEVICES'])
    vi.stubEnv(name, 'given');
  expect(Object.values(childEnvironment('bot'))).toContain('hush');
  const worker = childEnvironment('worker', { MALLOC_ARENA_MAX: '2' });
  const engine = childEnvironment('engine');
  for (const env of [worker, engine]) expect(Object.values(env)).not.toContain('hush');
  expect(worker).toMatchObject({ DATABASE_URL: 'given', KRONA_MODEL: 'given', MALLOC_ARENA_MAX: '2' });
  expect(engine).toMatchObject({
    KRONA_THREADS: 'given',
    CUDA_VISIBLE_DEVICES: 'given',
    PATH: process.env['PATH'],
  });
  expect(engine).not.toHaveProperty('DATABASE_URL');
  // The worker pulls gated models.
  vi.stubEnv('HF_TOKEN', 'hf_hush');
  expect(childEnvironment('worker')).toHaveProperty('HF_TOKEN', 'hf_hush');
  expect(childEnvironment('engine')).not.toHaveProperty('HF_TOKEN');
});

it("gives the worker a bucket's keys where blobs are in one, and never the engine", () => {
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'hush');
  vi.stubEnv('KRONA_BLOBS', 's3://bucket/krona');
  expect(childEnvironment('worker')).toMatchObject({
    AWS_SECRET_ACCESS_KEY: 'hush',
    KRONA_BLOBS: 's3://bucket/krona',
  });
  expect(Object.values(childEnvironment('engine'))).not.toContain('hush');
  vi.stubEnv('KRONA_BLOBS', 'postgres');
  expect(Object.values(childEnvironment('worker'))).not.toContain('hush');
});

it('gives an engine one card, by its number among those that this process sees', () => {
  vi.stubEnv('CUDA_VISIBLE_DEVICES', undefined);
  expect(cardEnvironment(null)).toEqual({});
  expect(cardEnvironment(1)).toMatchObject({ CUDA_VISIBLE_DEVICES: '1' });
  vi.stubEnv('CUDA_VISIBLE_DEVICES', '2,3');
  expect(cardEnvironment(1)).toMatchObject({ CUDA_VISIBLE_DEVICES: '3' });
  // Never a card that it must not use.
  expect(cardEnvironment(2)).toMatchObject({ CUDA_VISIBLE_DEVICES: '' });
});
