import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { askedPictures, realPicture, type AskedPicture } from '../../../lab/evaluate/asked-pictures.ts';
import { PairJudge } from '../../../lab/evaluate/pair-judge.ts';
import { readPretrainData } from '../../../lab/pretrain/pretrain-config.ts';
import { prepareArt, type TrainingArt } from '../../../lab/pretrain/sampler.ts';
import { loadSprites } from '../../../lab/pretrain/sprites.ts';

let folder: string;
let art: TrainingArt;
let judge: PairJudge;
let pairs: AskedPicture[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-pairs-'));
  const whole = await readPretrainData();
  const data = { ...whole, concepts: whole.concepts.slice(0, 60), styles: whole.styles.slice(0, 1) };
  art = prepareArt(data, (await loadSprites(data, folder)).sprites);
  judge = new PairJudge(art);
  pairs = askedPictures(art, { single: 0, pair: 40, corner: 0, count: 0, recolour: 0 }, () => true);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const shown = (asked: AskedPicture, picture: Float32Array): boolean =>
  judge.showsBoth(picture, asked.background, [asked.concept, asked.other], relationOf(asked));
const relationOf = ({ layout }: AskedPicture) => (layout.kind === 'pair' ? layout.relation : 'next to');
const rightOf = (pictures: (asked: AskedPicture, index: number) => Float32Array): number =>
  pairs.filter((asked, index) => shown(asked, pictures(asked, index))).length;

it('finds both subjects of real pictures, side by side and above each other, in either order', () => {
  expect(pairs).toHaveLength(40);
  expect(new Set(pairs.map(relationOf)).size).toBe(2);
  expect(rightOf((asked, index) => realPicture(art, asked, index))).toBeGreaterThan(36);
  const exchanged = ({ concept, other, ...asked }: AskedPicture) => ({
    ...asked,
    concept: other,
    other: concept,
  });
  expect(rightOf((asked, index) => realPicture(art, exchanged(asked), index))).toBeGreaterThan(36);
});

it('finds no pair in pictures of one subject once or twice, or of other subjects', () => {
  const twice = (asked: AskedPicture, index: number) =>
    realPicture(art, { ...asked, other: asked.concept }, index);
  expect(rightOf(twice)).toBeLessThan(2);
  const alone = (asked: AskedPicture, index: number) =>
    realPicture(art, { ...asked, layout: { kind: 'single' } }, index);
  expect(rightOf(alone)).toBeLessThan(2);
  const next = (_: AskedPicture, index: number) =>
    realPicture(art, pairs[(index + 2) % pairs.length]!, index);
  expect(rightOf(next)).toBeLessThan(2);
});
