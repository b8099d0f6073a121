/**
 * @file Effect of cheaper steps on the pictures: the embedded model draws held-out prompts from the same noise in
 * float32, in 8 bits, with features reused between steps (DeepCache, arXiv 2312.00858), and with other changes for
 * comparison.
 *
 *   npx tsx bench/picture-cost/run.ts [--pictures 16] [--sheet PATH] [--sprites FOLDER]
 *
 * Prints the table of docs/speed.md. The sheet has six pictures for some of the methods, a row each. The judge's
 * drawings are made on first use and kept in the folder.
 */
import { at } from '../../core/at.ts';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { fromBytes, toBytes } from '../../core/pictures/rgb-bytes.ts';
import { readPretrainData } from '../../lab/pretrain/pretrain-config.ts';
import { drawJudged, JUDGED_SAMPLING } from '../../lab/pretrain/evaluate-model.ts';
import { heldOutPrompts, Judge } from '../../lab/pretrain/judge.ts';
import { prepareArt } from '../../lab/pretrain/sampler.ts';
import { contactSheet } from '../../lab/pretrain/sheet.ts';
import { loadSprites } from '../../lab/pretrain/sprites.ts';
import { TextToImage } from '../../gpu-worker/sampling/text-to-image.ts';
import { inEightBits, inFloat32, reusing, withRoundedWeights, type Prediction } from './predictions.ts';
import { Sampler } from './sampler.ts';

const { values } = parseArgs({
  options: {
    pictures: { type: 'string', default: '16' },
    sheet: { type: 'string' },
    sprites: { type: 'string', default: join(tmpdir(), 'krona-sprites') },
  },
});
const data = await readPretrainData();
const model = await openModelFolder(join(import.meta.dirname, '../../models/krona-emoji'));
const judge = new Judge(prepareArt(data, (await loadSprites(data, values.sprites)).sprites));
const sampler = await Sampler.open(model, data.size);
const { sizes } = sampler;
const prompts = heldOutPrompts(data, Number(values.pictures));

interface Way {
  readonly name: string;
  readonly open: () => Promise<Prediction>;
  readonly steps?: number;
  /** Added to each picture's seed. */
  readonly seed?: number;
  readonly inSheet?: boolean;
}

const float32 = (): Promise<Prediction> => inFloat32(model, sizes);
const WAYS: readonly Way[] = [
  { name: 'float32', open: float32, inSheet: true },
  { name: 'weights in 8 bits, a scale per channel', open: () => withRoundedWeights(model, sizes, 'channel') },
  { name: 'weights in 8 bits, a scale per tensor', open: () => withRoundedWeights(model, sizes, 'tensor') },
  { name: 'weights and activations in 8 bits', open: () => inEightBits(model, sizes), inSheet: true },
  { name: 'reuse, every 2nd step whole', open: () => reusing(model, sizes, 2), inSheet: true },
  { name: 'reuse, every 3rd step whole', open: () => reusing(model, sizes, 3), inSheet: true },
  ...[19, 15, 10].map((steps) => ({ name: `${steps} steps`, open: float32, steps })),
  { name: 'another seed', open: float32, seed: prompts.length },
];

/** Mean absolute difference of two pictures, grey levels of 255. */
const difference = (a: Uint8Array, b: Uint8Array): number =>
  a.reduce((sum, value, i) => sum + Math.abs(value - b[i]!), 0) / a.length;

const mean = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0) / numbers.length;

let reference: { readonly pictures: readonly Uint8Array[]; readonly concepts: readonly number[] } | null =
  null;
const cells: Parameters<typeof contactSheet>[0][number][] = [];
console.log(
  '| method | difference | largest | correct background | correct concept | concept as in float32 |',
);
console.log('| --- | --- | --- | --- | --- | --- |');
for (const { name, open, steps = JUDGED_SAMPLING.steps, seed = 0, inSheet } of WAYS) {
  const prediction = await open();
  const pictures: Uint8Array[] = [];
  for (const [index, { prompt }] of prompts.entries())
    pictures.push(await sampler.draw(prediction.predict, { prompt, seed: index + seed }, steps));
  await prediction.release();
  if (reference === null) await sameAsEngine(at(pictures, 0));

  const judged = pictures.map((picture, i) => judge.judge(fromBytes(picture), at(prompts, i).background));
  const concepts = judged.map((judgement) => at(judgement.concepts, 0));
  reference ??= { pictures, concepts };
  const { pictures: exact, concepts: exactConcepts } = reference;
  const differences = pictures.map((picture, i) => difference(picture, at(exact, i)));
  const share = (right: (index: number) => boolean): string =>
    `${prompts.filter((_, index) => right(index)).length} of ${prompts.length}`;
  const cell = [
    mean(differences).toFixed(2),
    Math.max(...differences).toFixed(2),
    share((i) => at(judged, i).background === at(prompts, i).background),
    share((i) => concepts[i] === at(prompts, i).concept),
    share((i) => concepts[i] === exactConcepts[i]),
  ];
  console.log(`| ${name} | ${cell.join(' | ')} |`);
  if (inSheet)
    for (const [i, picture] of pictures.slice(0, 6).entries())
      cells.push({ image: fromBytes(picture), label: `${name}: ${at(differences, i).toFixed(1)}` });
}
if (values.sheet !== undefined) await writeFile(values.sheet, await contactSheet(cells, { columns: 6 }));
await sampler.release();

/** Checks that this sampler draws the same as the product's. */
async function sameAsEngine(picture: Uint8Array): Promise<void> {
  const engine = await TextToImage.open(model);
  const [drawn] = await drawJudged(engine, data.size, { prompt: at(prompts, 0).prompt, seed: 0 });
  await engine.release();
  if (Buffer.compare(toBytes(drawn!), picture) !== 0)
    throw new Error(
      'bench/picture-cost/sampler.ts and gpu-worker/sampling/text-to-image.ts draw different pictures',
    );
}
