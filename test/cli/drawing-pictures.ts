/**
 * @file Makes docs/images/drawing-*.png with `krona imagine` and the embedded model, as docs/drawing.md describes them.
 * `npx tsx test/cli/drawing-pictures.ts [folder]`
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { savePicture } from '../helpers/docs-picture.ts';

const SIDE = 160;
const GAP = 8;
const folder = await mkdtemp(join(tmpdir(), 'krona-drawing-'));
let drawn = 0;

/** Files of `krona imagine` with these options. */
async function imagine(prompt: string, ...options: readonly string[]): Promise<string[]> {
  const out = join(folder, String(drawn++));
  await promisify(execFile)('node', [
    'bin/krona.js',
    'imagine',
    '--prompt',
    prompt,
    '--out',
    out,
    ...options,
  ]);
  const files = (await readdir(out)).filter((name) => name.endsWith('.png'));
  return files.toSorted().map((name) => join(out, name));
}

const one = async (prompt: string, ...options: readonly string[]): Promise<string> => {
  const [file] = await imagine(prompt, ...options);
  if (file === undefined) throw new Error(`nothing was drawn of “${prompt}”`);
  return file;
};

/** Saves rows of pictures; an empty text is a place without one. */
async function rows(name: string, files: readonly (readonly string[])[]): Promise<void> {
  const width = Math.max(...files.map(({ length }) => length)) * (SIDE + GAP) - GAP;
  const height = files.length * (SIDE + GAP) - GAP;
  const tiles = files.flatMap((row, y) =>
    row.flatMap((file, x) => (file === '' ? [] : [{ file, left: x * (SIDE + GAP), top: y * (SIDE + GAP) }])),
  );
  const composed = await Promise.all(
    tiles.map(async ({ file, ...place }) => ({
      ...place,
      input: await sharp(file).resize(SIDE, SIDE, { fit: 'contain', background: '#0000' }).png().toBuffer(),
    })),
  );
  const sheet = sharp({ create: { width, height, channels: 4, background: '#0000' } }).composite(composed);
  await savePicture(`drawing-${name}`, await sheet.png().toBuffer());
}

try {
  const seed = ['--seed', '4'];
  const words: string[] = [];
  for (const prompt of ['a red cat', 'a blue cat', 'a (red:0.5) cat', 'a (red:1) cat', 'a (red:1.5) cat'])
    words.push(await one(prompt, ...seed));
  await rows('prompts', [words]);

  const fox = await one('a fox on a blue background', ...seed);
  const remixed = [fox];
  for (const strength of ['0.5', '0.7', '0.9'])
    remixed.push(await one('a fox on a yellow background', '--image', fox, '--strength', strength, ...seed));
  await rows('remix', [remixed]);

  const part = (prompt: string, mask: string) =>
    one(prompt, '--image', fox, '--mask', mask, '--strength', '1', ...seed);
  await rows('edit', [
    [
      fox,
      await part('a fox on a green background', 'background'),
      await part('a robot on a blue background', 'subject'),
      await part('a tiny fox on a blue background', 'zoom-out'),
    ],
  ]);

  const on = (thing: string, colour: string) => one(`a ${thing} on a ${colour} background`, ...seed);
  const liked = [await on('dog', 'red'), await on('cat', 'red')];
  const disliked = [await on('dog', 'blue'), await on('cat', 'green')];
  const things = ['a dog', 'a fox', 'a pizza', 'a robot', 'a car', 'an apple'];
  const plain: string[] = [];
  const steered: string[] = [];
  for (const thing of things) {
    plain.push(await one(thing, ...seed));
    steered.push(await one(thing, '--more-like', ...liked, '--less-like', ...disliked, ...seed));
  }
  await rows('steering', [[...liked, '', ...disliked], plain, steered]);
} finally {
  await rm(folder, { recursive: true, force: true });
}
