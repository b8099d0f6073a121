/** @file Signed links. */
import { expect, it } from 'vitest';
import { signLink, verifyLink, type BlobLink } from '../../storage/links.ts';

const SECRET = 'a secret of more than sixteen characters';
const link: BlobLink = {
  hash: 'ab'.repeat(32),
  fileName: 'möchi & friends (1).safetensors',
  expiresAt: new Date('2030-01-01T00:00:00Z'),
};
const before = new Date('2029-12-31T23:59:59Z');
const codeOf = (path: string, now = before, secret = SECRET): string => {
  try {
    verifyLink(secret, path, now);
    return 'valid';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

it('returns what was signed, until it expires', () => {
  const path = signLink(SECRET, link);
  expect(verifyLink(SECRET, path, before)).toEqual(link);
  expect(codeOf(path, link.expiresAt)).toBe('LINK_EXPIRED');
});

it('is a path that URL leaves unchanged', () => {
  const path = signLink(SECRET, link);
  const url = new URL(path, 'http://localhost:7860');
  expect(url.pathname + url.search).toBe(path);
});

it('refuses a link with anything changed', () => {
  const path = signLink(SECRET, link);
  const expired = signLink(SECRET, { ...link, expiresAt: new Date('2020-01-01T00:00:00Z') });
  const changed = [
    path.replace('ab', 'ac'),
    path.replace('chi', 'cho'),
    path.replace('expires=18', 'expires=19'),
    expired.replace(/expires=\d+/, 'expires=1900000000'),
    path.replace(/signature=./, (text) => (text.endsWith('A') ? 'signature=B' : 'signature=A')),
    path.slice(0, -1),
    `${path}A`,
    path.replace(/&signature=.*/, ''),
    path.replace('/blobs/', '/blobs/../'),
    path.replace('%20', '%'),
    '',
  ];
  for (const other of changed) expect([other, codeOf(other)]).toEqual([other, 'LINK_INVALID']);
  expect(codeOf(path, before, 'another secret, just as long')).toBe('LINK_INVALID');
});
