/**
 * @file `npx tsx bench/catalogue-figures.ts`: computes the figures of models/catalogue.json from the models' graphs and writes
 * them there. Work and memory follow from configs and shapes, so nothing is downloaded or run.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { engineGraph, unetGraph } from '../cli/engine-graphs.ts';
import type { CatalogueModel, ModelFigures, Work } from '../core/catalogue.ts';
import { embeddedModel } from '../core/package.ts';
import { countFlops } from '../gpu-worker/graph/flops.ts';
import { graphMemory } from '../gpu-worker/graph/peak-memory.ts';
import { sizeOf } from '../gpu-worker/graph/shapes.ts';
import { ARCHITECTURES } from '../gpu-worker/models/architecture.ts';
import { unetConfig } from '../gpu-worker/models/model-configs.ts';
import type { ModelFolder } from '../gpu-worker/models/model-folder.ts';
import { openModel } from '../gpu-worker/models/open-model.ts';
import { unetParameters } from '../gpu-worker/models/part-parameters.ts';
import { publishedModel } from '../gpu-worker/models/published-model.ts';
import { readFullSizeUnets } from '../test/helpers/distilled.ts';

/** Of weights: only their shapes are read. */
const NOWHERE = '/weights';
const CATALOGUE = join(import.meta.dirname, '../models/catalogue.json');

/** Names of test/fixtures/distilled/full-size.json.gz, where they differ. */
const UNETS: Readonly<Record<string, string>> = { 'segmind-vega': 'vega' };

function modelOf({ name, architecture }: Pick<CatalogueModel, 'name' | 'architecture'>): ModelFolder {
  const base = publishedModel(architecture, NOWHERE);
  const distilled = readFullSizeUnets()[UNETS[name] ?? name];
  if (distilled === undefined) return base;
  const config = unetConfig('unet', distilled.config, ARCHITECTURES[architecture].timeIds);
  const tensors = new Map(
    unetParameters(config).map(({ name: tensor, shape }) => [
      tensor,
      { name: tensor, dtype: 'F16' as const, shape, path: NOWHERE, offset: 0, length: 2 * sizeOf(shape) },
    ]),
  );
  return { ...base, unet: { name: 'unet', config, tensors } };
}

function figuresOf(entry: Pick<CatalogueModel, 'name' | 'architecture' | 'size' | 'guided'>): ModelFigures {
  return figures(modelOf(entry), entry.size, entry.guided);
}

function figures(model: ModelFolder, size: number, guided: boolean): ModelFigures {
  const step = unetGraph(model, size, guided ? 2 : 1);
  const decoder = engineGraph('vae-decoder', model, size);
  const parts = [model.unet, model.vae, ...model.textEncoders];
  const activations = [step, decoder].map((graph) => graphMemory(graph, 'float32').activations);
  const teraflop = (graph: typeof step) => Number((countFlops(graph) / 1e12).toPrecision(4));
  return {
    parameters: parts.reduce(
      (sum, { tensors }) => sum + [...tensors.values()].reduce((n, { shape }) => n + sizeOf(shape), 0),
      0,
    ),
    activations: Math.max(...activations),
    step: teraflop(step),
    decoding: teraflop(decoder),
  };
}

/** Models whose speed `krona device check` measures, by `speedKey`. */
const REFERENCES = {
  'sd1 512': () => figuresOf({ name: 'sd15', architecture: 'sd1', size: 512, guided: true }),
  'sdxl 1024': () => figuresOf({ name: 'sdxl', architecture: 'sdxl', size: 1024, guided: true }),
  'sdxl 128': async () => figures(await openModel(embeddedModel), 128, true),
};

/** Bytes that a pull downloads: 16 bits a number where there is such a variant. */
const bytesOf = ({ variant }: Pick<Listed, 'variant'>, { parameters }: ModelFigures): number =>
  (variant === 'fp16' ? 2 : 4) * parameters;

type Listed = Pick<CatalogueModel, 'name' | 'architecture' | 'size' | 'guided' | 'variant'>;
const file = JSON.parse(await readFile(CATALOGUE, 'utf8')) as { readonly models: readonly Listed[] };
const models = file.models.map((model) => {
  const found = figuresOf(model);
  return { ...model, bytes: bytesOf(model, found), figures: found };
});
const references: Record<string, Work> = {};
for (const [key, compute] of Object.entries(REFERENCES)) {
  const { step, decoding } = await compute();
  references[key] = { step, decoding };
}
await writeFile(CATALOGUE, `${JSON.stringify({ ...file, references, models }, null, 2)}\n`);
