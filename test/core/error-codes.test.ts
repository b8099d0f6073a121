/** @file docs/errors.md lists every error code; `npm run docs` writes it. */
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { errorPage } from '../../tools/error-codes.ts';

it('docs/errors.md is up to date (npm run docs)', async () => {
  const page = await readFile(new URL('../../docs/errors.md', import.meta.url), 'utf8');
  expect(await errorPage()).toBe(page);
});
