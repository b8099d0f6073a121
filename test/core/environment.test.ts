/** @file Environment variables: the table in README.md has all of them, and empty ones count as unset. */
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { readEnvironment, VARIABLES } from '../../core/environment.ts';

it('is described in README.md, variable by variable', async () => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  const [, table = ''] = /^\| variable [^\n]*\n\| *-[^\n]*\n((?:\|[^\n]*\n)+)/m.exec(readme) ?? [];
  const first = table.split('\n').map((row) => row.split('|')[1] ?? '');
  const described = first.flatMap((cell) => [...cell.matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name));
  expect(described.sort()).toEqual([...VARIABLES].sort());
});

it('leaves out empty variables and those of other programs', () => {
  expect(readEnvironment({ KRONA_PORT: '8000', KRONA_HOST: '', PATH: '/bin' })).toEqual({
    KRONA_PORT: '8000',
  });
});
