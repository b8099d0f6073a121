/**
 * @file Pictures of two trained subjects: each adapter in a region of its own, beside the sum of both.
 *
 *   npx tsx bench/two-subjects/run.ts --folder FOLDER [--each 4] [--sheet docs/images/drawing-two-subjects.png]
 *
 * Trains the five mascots of lab/evaluate at the defaults (kept in the folder), draws every ordered pair of them `each` times with
 * both ways and the same seeds, and prints the table of docs/drawing.md.
 */
import { parseArgs } from 'node:util';
import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { at } from '../../core/at.ts';
import { embeddedModel } from '../../core/package.ts';
import { splitPlaces } from '../../core/prompts/split.ts';
import { wilsonInterval } from '../../core/votes/wilson.ts';
import { openMobileNet } from '../../gpu-worker/safety/mobilenet.ts';
import { TextToImage } from '../../gpu-worker/sampling/text-to-image.ts';
import { classifierFeatures, measureScales, mobileNetFeatures } from '../../lab/evaluate/features.ts';
import { Judges } from '../../lab/evaluate/judges.ts';
import { drawJudged } from '../../lab/pretrain/evaluate-model.ts';
import { readPretrainData } from '../../lab/pretrain/pretrain-config.ts';
import { prepareArt } from '../../lab/pretrain/sampler.ts';
import { contactSheet } from '../../lab/pretrain/sheet.ts';
import { loadSprites } from '../../lab/pretrain/sprites.ts';
import { ordinaryDrawings, PairJudge, type Relation } from './judge.ts';
import { trainedMascots } from './mascots.ts';

const { values } = parseArgs({
  options: {
    folder: { type: 'string' },
    each: { type: 'string', default: '4' },
    sheet: { type: 'string' },
  },
});
if (values.folder === undefined) throw new Error('say where the adapters are kept: --folder FOLDER');
const BACKGROUNDS = ['red', 'blue', 'yellow', 'green', 'pink', 'teal', 'orange', 'white'];
/** In the sheet, of each way. */
const SHOWN = 8;

const data = await readPretrainData();
const mascots = await trainedMascots(data, values.folder);
const sprites = await loadSprites(data, join(values.folder, 'sprites'));
const judges = await Judges.open(data);
const extractors = [mobileNetFeatures(await openMobileNet()), classifierFeatures(judges.concepts)];
const scales = await measureScales(extractors, data, sprites);
const ordinary = ordinaryDrawings(data, prepareArt(data, sprites.sprites), mascots);
const judge = new PairJudge(data, { extractors, scales }, mascots, ordinary);
const painter = await TextToImage.open(embeddedModel);

interface Case {
  readonly pair: readonly [(typeof mascots)[number], (typeof mascots)[number]];
  readonly relation: Relation;
  readonly background: string;
  readonly prompt: string;
  readonly seed: number;
}

const cases = mascots.flatMap((a, i) =>
  mascots.flatMap((b, j): Case[] =>
    i === j
      ? []
      : Array.from({ length: Number(values.each) }, (_, n) => {
          const seed = 1000 * (5 * i + j) + n;
          const relation = n % 4 === 3 ? 'above' : 'next to';
          const background = at(BACKGROUNDS, (i + 2 * j + n) % BACKGROUNDS.length);
          const [first, second] = [a, b].map(({ token, class: word }) => `a ${token} ${word}`);
          const prompt = `${first} ${relation} ${second} on a ${background} background`;
          return { pair: [a, b], relation, background, prompt, seed };
        }),
  ),
);

type Way = 'real' | 'sum' | 'regions';
async function draw({ pair, relation, background, prompt, seed }: Case, way: Way): Promise<Float32Array> {
  if (way === 'real') return judge.pair(background, relation, pair);
  const words = pair.map(({ token, class: word }) => `${token} ${word}`);
  const places = way === 'regions' ? splitPlaces(prompt, words, 'auto') : null;
  const adapter = [];
  for (const [n, { adapter: path }] of pair.entries())
    adapter.push({ ...(await painter.readAdapter(path)), ...(places && { place: at(places, n) }) });
  return at(await drawJudged(painter, data.size, { prompt, seed, adapter }), 0);
}

const percent = (share: number): string => `${Math.round(100 * share)}%`;
const cells: Parameters<typeof contactSheet>[0][number][] = [];
console.log(
  '| pictures | both, each once | one of them | 95% interval of both | s per picture |\n| --- | --- | --- | --- | --- |',
);
for (const way of ['real', 'sum', 'regions'] as const) {
  let [both, one, shown, seconds] = [0, 0, 0, 0];
  for (const [n, each] of cases.entries()) {
    const began = performance.now();
    const picture = await draw(each, way);
    seconds += (performance.now() - began) / 1000;
    const seen = await judge.seen(picture, each.relation, each.background);
    const found = each.pair.filter(({ name }) => seen.includes(name)).length;
    if (found === 2) both += 1;
    if (found === 1) one += 1;
    if (way === 'real' || n % Math.floor(cases.length / SHOWN) !== 0 || shown++ >= SHOWN) continue;
    const names = each.pair.map(({ name }) => name);
    cells.push({ image: picture, label: `${way}: ${names.join(', ')}`, right: found === 2 });
  }
  const { low, high } = wilsonInterval(both, cases.length);
  const [share, single] = [both / cases.length, one / cases.length].map(percent);
  console.log(
    `| ${way} (${cases.length}) | ${share} | ${single} | ${percent(low)} to ${percent(high)} | ${(seconds / cases.length).toFixed(2)} |`,
  );
}
if (values.sheet !== undefined)
  await writeFile(
    values.sheet,
    await contactSheet(cells, { columns: SHOWN, size: data.size, title: 'Two subjects' }),
  );
await painter.release();
await judges.release();
