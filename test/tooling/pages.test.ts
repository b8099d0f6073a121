/** @file The Markdown pages: what they link to is there, and every committed picture is shown. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, it } from 'vitest';

const files = execFileSync('git', ['ls-files'], { encoding: 'utf8' }).trim().split('\n');
const pages = files.filter((path) => path.endsWith('.md'));

/** Files that a page links to or shows, as paths from the root. */
function targets(page: string): string[] {
  const text = readFileSync(page, 'utf8').replace(/```[^]*?```/g, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)|<img src="([^"]+)"/g)]
    .map(([, link, image]) => (link ?? image ?? '').replace(/#.*/, ''))
    .filter((target) => target !== '' && !/^[a-z]+:/.test(target))
    .map((target) => normalize(join(dirname(page), target)));
}

const linked = new Map(pages.map((page) => [page, targets(page)]));

it.each(pages)('%s links only to files that exist', (page) => {
  expect(linked.get(page)!.filter((path) => !existsSync(path))).toEqual([]);
});

it('every picture of the docs is shown on a page', () => {
  const shown = new Set([...linked.values()].flat());
  const pictures = files.filter((path) => /^docs\/images\/.*\.(png|jpg)$/.test(path));
  expect(pictures.filter((path) => !shown.has(path))).toEqual([]);
});
