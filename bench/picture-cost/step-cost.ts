/**
 * @file Savings of cheaper UNet steps: computed multiplications of a whole step and of one that reuses the deep
 * features; measured processor seconds of both and of a whole step in 8 bits, two rows, on one thread.
 *
 *   npx tsx bench/picture-cost/step-cost.ts [--model FOLDER --side 512] [--repeats 5]
 *
 * Times the embedded model at 128×128 by default; SD 1.5 takes 5 GiB of memory.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Session, type Feeds } from '../../gpu-worker/graph/runtime.ts';
import { ARCHITECTURES } from '../../gpu-worker/models/architecture.ts';
import { unetConfig, type UNetConfig } from '../../gpu-worker/models/model-configs.ts';
import { openModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { recordedParameters } from '../../gpu-worker/models/parameters.ts';
import { SINGLE_FILE_MODELS } from '../../gpu-worker/models/single-file/architectures.ts';
import { vaeScale } from '../../gpu-worker/models/vae.ts';
import { randomInputs } from '../../cli/device-check/random-inputs.ts';
import { countFlops } from '../../gpu-worker/graph/flops.ts';
import { median, short } from '../report.ts';
import { eightBitProgram, reuseGraphs, reusePrograms, type PredictionProgram } from './predictions.ts';

const TOKENS = 77;
const STEPS = 20;

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: join(import.meta.dirname, '../../models/krona-emoji') },
    side: { type: 'string', default: '128' },
    repeats: { type: 'string', default: '5' },
  },
});
const model = await openModelFolder(values.model);
const latent = Number(values.side) / vaeScale(model.vae.config);

const published = (architecture: 'sd1' | 'sdxl'): UNetConfig => {
  const { unet } = SINGLE_FILE_MODELS.find((entry) => entry.architecture === architecture)!;
  return unetConfig('unet', unet, ARCHITECTURES[architecture].timeIds);
};

console.log('| model | whole, GFLOP | first level, GFLOP | share | 20 steps, every 2nd whole | every 3rd |');
console.log('| --- | --- | --- | --- | --- | --- |');
for (const [name, config, side] of [
  [model.name, model.unet.config, latent],
  ['SD 1.5, 512×512', published('sd1'), 64],
  ['SDXL, 512×512', published('sdxl'), 64],
] as const) {
  const graphs = reuseGraphs(config, recordedParameters(), [side, side, TOKENS]);
  const [whole, shallow] = [countFlops(graphs.whole), countFlops(graphs.shallow)];
  const share = shallow / whole;
  const run = (interval: number): string => {
    const wholes = Math.ceil(STEPS / interval);
    return ((wholes + (STEPS - wholes) * share) / STEPS).toFixed(2);
  };
  console.log(
    `| ${name} | ${short(whole / 1e9)} | ${short(shallow / 1e9)} | ${share.toFixed(3)} | ${run(2)} | ${run(3)} |`,
  );
}

const sizes = [latent, latent, TOKENS] as const;
const { whole, shallow } = reusePrograms(model, sizes);
const exact = await timed('a whole step', whole);
await timed('first level alone', shallow);
const rounded = await timed('a whole step in 8 bits', eightBitProgram(model, sizes));
console.log(`error of the prediction in 8 bits: ${(100 * distance(rounded, exact)).toPrecision(2)}%`);

/** Prints the median of processor seconds; returns the prediction for random inputs. */
async function timed(what: string, program: PredictionProgram): Promise<Float32Array> {
  const session = await Session.create(program, { threads: 1 });
  const feeds: Feeds = randomInputs(program);
  const seconds: number[] = [];
  let prediction: Float32Array = new Float32Array();
  for (let repeat = 0; repeat <= Number(values.repeats); repeat++) {
    const used = process.cpuUsage();
    prediction = (await session.run(feeds)).prediction;
    const { user, system } = process.cpuUsage(used);
    if (repeat > 0) seconds.push((user + system) / 1e6);
  }
  await session.release();
  console.log(`${what}: ${short(median(seconds))} processor seconds`);
  return prediction;
}

/** ‖a − b‖ / ‖b‖. */
function distance(a: Float32Array, b: Float32Array): number {
  let [difference, size] = [0, 0];
  for (const [at, value] of b.entries()) {
    difference += (value - a[at]!) ** 2;
    size += value ** 2;
  }
  return Math.sqrt(difference / size);
}
