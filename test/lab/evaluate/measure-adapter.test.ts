/** An adapter's scores are those that torch and transformers give for the same pictures (test/fixtures/make-vision.py). */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { at } from '../../../core/at.ts';
import { DREAMBENCH } from '../../../lab/evaluate/dreambench.ts';
import { adapterTable, measureAdapter } from '../../../lab/evaluate/measure-adapter.ts';
import { TINY_MODEL } from '../../helpers/fixtures.ts';

const FIXTURES = join(import.meta.dirname, '../../fixtures');
const VISION = join(FIXTURES, 'vision');
const EVALUATION = join(VISION, 'evaluation');

interface Reference {
  readonly subject: string;
  readonly prompts: readonly string[];
  readonly perPrompt: readonly Readonly<Record<string, number>>[];
  readonly photos: Readonly<Record<string, number>>;
}

let root: string;
let reference: Reference;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'krona-scores-'));
  reference = JSON.parse(await readFile(join(EVALUATION, 'reference.json'), 'utf8')) as Reference;
  await writeFile(join(root, 'prompts.json'), JSON.stringify(reference.prompts));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const options = (out: string) => ({
  adapter: join(FIXTURES, 'adapters/kohya-lora.safetensors'),
  photos: join(EVALUATION, 'photos'),
  model: TINY_MODEL,
  subject: 'sks',
  className: reference.subject,
  prompts: join(root, 'prompts.json'),
  seeds: 2,
  out: join(root, out),
});

it("gives torch's CLIP-I, DINO and CLIP-T for the pictures of an earlier run", async () => {
  const given = options('kept');
  await cp(join(EVALUATION, 'pictures'), join(given.out, 'pictures'), { recursive: true });
  const networks = { clip: join(VISION, 'clip-quick'), dino: join(VISION, 'dino') };
  const report = await measureAdapter({ ...given, ...networks });
  for (const [i, expected] of reference.perPrompt.entries())
    for (const [metric, value] of Object.entries(expected))
      expect(new Map(Object.entries(at(report.prompts, i).scores)).get(metric), metric).toBeCloseTo(value, 5);
  const expected = (reference.perPrompt[0]!['DINO']! + reference.perPrompt[1]!['DINO']!) / 2;
  expect(report.adapter.DINO?.estimate).toBeCloseTo(expected, 5);
  expect(report.photos['CLIP-I']).toBeCloseTo(reference.photos['CLIP-I']!, 5);
  expect(report.photos.DINO).toBeCloseTo(reference.photos['DINO']!, 5);
  expect(report.networks).toEqual({ 'CLIP-I': 'clip-quick', DINO: 'dino' });
  expect(adapterTable(report)).toMatch(/\| CLIP-T +\| clip-quick +\| \d/);
});

it('draws what is missing, scores it by the built-in network, and keeps it for the next time', async () => {
  const steps: number[] = [];
  const given = options('drawn');
  const report = await measureAdapter({ ...given, onProgress: ({ step }) => steps.push(step) });
  expect(steps).toEqual([1, 2]);
  expect(Object.keys(report.adapter)).toEqual(['MobileNet']);
  const { width, height } = await sharp(join(given.out, 'pictures/001.png')).metadata();
  expect(width).toBe(2 * height);
  expect((await sharp(join(given.out, 'sheet.png')).metadata()).width).toBeGreaterThan(2 * height);
  expect(await measureAdapter(given)).toEqual(report);
  await expect(measureAdapter({ ...given, subject: 'xyz' })).rejects.toMatchObject({
    code: 'EVALUATION_MISMATCH',
  });
});

it('refuses a list of prompts without the subject, and an adapter that names none', async () => {
  const list = join(root, 'wrong.json');
  await writeFile(list, '["a cat"]');
  const given = options('refused');
  await expect(measureAdapter({ ...given, prompts: list })).rejects.toMatchObject({
    code: 'PROMPTS_INVALID',
  });
  const { subject: _, ...nameless } = given;
  await expect(measureAdapter(nameless)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
});

it("has DreamBench's two lists of 25 prompts", () => {
  for (const list of [DREAMBENCH.objects, DREAMBENCH.live]) {
    expect(new Set(list).size).toBe(25);
    expect(list.every((prompt) => prompt.split('{}').length === 2)).toBe(true);
  }
});
