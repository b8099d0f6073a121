/**
 * @file One adapter file from another: exactly wherever the target can say the same ΔW, and otherwise not, unless a rank
 * is asked for, whose error is then told.
 */
import { KronaError } from '../../core/errors.ts';
import { writeSafetensors, type TensorToWrite } from '../models/safetensors.ts';
import { isDifference, isKronecker, isLowRank, type Layer, type LayerShape } from './adapter.ts';
import type { AdapterBase } from './adapter-base.ts';
import { FAMILIES, fileLayers, noiseStrengthOf, type Family } from './adapter-info.ts';
import type { KroneckerFactors } from './krona.ts';
import { lokrTensors, type FileDtype } from './lokr-file.ts';
import type { LowRankFactors } from './lora.ts';
import { diffusersName, kohyaTensors, peftTensors } from './lora-file.ts';
import { exactLowRank, exactRank, hasExactForm, truncatedLowRank } from './low-rank-forms.ts';
import { moduleNames } from './module-names.ts';
import { writePeftLokr, writePeftLora, type PeftFacts } from './peft-file.ts';
import { openAdapter, readOpened, type OpenAdapter } from './read-adapter.ts';
import { statedFamily, statedNotes } from './stated-facts.ts';
import type { BlockLayers } from './unet-layers.ts';

export const CONVERSIONS = ['lokr', 'peft', 'lora'] as const;

export interface ConvertOptions {
  readonly to: (typeof CONVERSIONS)[number];
  /** A .safetensors file; PEFT's folder for `peft`. */
  readonly out: string;
  /** Names of a LoRA: kohya's, or diffusers' own. */
  readonly names?: 'kohya' | 'diffusers';
  /** Allows a LoRA of this rank that is only close to ΔW. */
  readonly rank?: number;
  /** The model that the adapter is for: checks it, and knows how its blocks count. */
  readonly base?: AdapterBase & { readonly family: Family };
}

export interface Conversion {
  readonly out: string;
  readonly format: (typeof CONVERSIONS)[number];
  readonly modules: number;
  /** Numbers written. */
  readonly parameters: number;
  /** Largest rank of a LoRA that was made; null for Kronecker factors. */
  readonly rank: number | null;
  /** ‖ΔW written − ΔW‖ / ‖ΔW‖ over all modules and for the worst; 0 where it is the same. */
  readonly error: number;
  readonly worst: { readonly module: string; readonly error: number } | null;
  /** What programs make of it otherwise than Krona or its maker, a sentence each. */
  readonly notes: readonly string[];
}

type Written = Omit<Conversion, 'error' | 'worst' | 'notes'>;

interface Source {
  readonly adapter: OpenAdapter;
  readonly layers: ReadonlyMap<string, Layer>;
  readonly base: BlockLayers;
  readonly family: Family;
  readonly dtype: FileDtype;
}

/**
 * @throws KronaError as openAdapter and readAdapter; ADAPTER_LOSSY (only an approximation would be possible, and no rank
 * was asked for), ADAPTER_UNREPRESENTABLE (the target cannot say it at all)
 */
export async function convertAdapter(path: string, options: ConvertOptions): Promise<Conversion> {
  const source = await open(path, options);
  return { ...(await write(source, options)), notes: notesOf(source, options) };
}

async function write(source: Source, options: ConvertOptions): Promise<Omit<Conversion, 'notes'>> {
  const { adapter, layers } = source;
  for (const [module, layer] of layers)
    if (isDifference(layer))
      throw new KronaError(
        'ADAPTER_UNREPRESENTABLE',
        `${adapter.file.name} changes ${module} in full; only a difference file can hold that, and it is one.`,
      );
  const factors = layers as ReadonlyMap<string, KroneckerFactors | LowRankFactors>;
  if (options.to === 'lora' || (options.rank !== undefined && options.to === 'peft')) {
    const { made, ...errors } = toLowRank(factors, options.rank, adapter.file.name);
    return { ...(await writeLowRank(made, source, options)), ...errors };
  }
  if (options.rank !== undefined)
    throw new KronaError('OPTION_INVALID', 'rank is for --to lora and --to peft; a LoKr keeps its factors.');
  const kronecker = only(factors, isKronecker);
  const lowRank = only(factors, isLowRank);
  if (options.to === 'peft') {
    if (kronecker.size > 0 && lowRank.size > 0)
      throw new KronaError(
        'ADAPTER_UNREPRESENTABLE',
        `${adapter.file.name} mixes LoKr and LoRA; a folder of PEFT holds one of them. Convert with --to lora.`,
      );
    if (kronecker.size === 0) return { ...(await writeLowRank(lowRank, source, options)), ...EXACT };
    await writePeftLokr(options.out, kronecker, aboutPeft(source));
    return { ...summary(options, factors), ...EXACT };
  }
  for (const [module, { rowOrder }] of kronecker)
    if (rowOrder)
      throw new KronaError(
        'ADAPTER_UNREPRESENTABLE',
        `${adapter.file.name} changes ${module} by DiffuseKronA's row-permuted product, which no LoKr can hold; ` +
          'convert with --to lora, which is exact.',
      );
  await writeSafetensors(
    options.out,
    new Map([
      ...lokrTensors(kronecker, source.base, source.family, source.dtype),
      ...loraAsLokr(lowRank, source),
    ]),
    metadataFor(source, 'lycoris.kohya', '100000', { algo: 'lokr', factor: '-1', full_matrix: 'True' }),
  );
  return { ...summary(options, factors), ...EXACT };
}

const EXACT = { error: 0, worst: null };

async function open(path: string, { base }: ConvertOptions): Promise<Source> {
  const adapter = await openAdapter(path, base?.layers);
  const { file, shapes } = adapter;
  let layers: ReadonlyMap<string, Layer>;
  if (base) ({ layers } = await readOpened(adapter, base));
  else {
    const unknown = [...shapes.keys()].filter(
      (module) => adapter.nameOf(module) === module && isUnknown(module),
    );
    if (unknown.length > 0)
      throw new KronaError(
        'ADAPTER_TARGETS_UNSUPPORTED',
        `${file.name} changes modules that are unknown here: ${unknown.slice(0, 4).join(', ')}.`,
      );
    const read = new Map<string, Layer>();
    for (const [module, shape] of shapes) read.set(module, await adapter.read(module, shape));
    layers = read;
  }
  // Half precision stays where numbers are only copied.
  const half = [...file.tensors].every(([key, { dtype }]) => key.endsWith('.alpha') || dtype === 'F16');
  const unscaled = (await Promise.all([...shapes.keys()].map((module) => adapter.scale(module)))).every(
    (scale, i) => scale === 1 || isLowRank([...shapes.values()][i]!),
  );
  return {
    adapter,
    layers,
    base: base?.layers ?? fileLayers(file.metadata),
    family: base?.family ?? guessFamily(adapter),
    dtype: half && unscaled ? 'F16' : 'F32',
  };
}

/** What modulePath made nothing of keeps its name, which is no path. */
function isUnknown(module: string): boolean {
  return !/^(?:down_blocks|up_blocks|mid_block|text_encoder|text_encoder_2|conv_|time_embedding|add_embedding)/.test(
    module,
  );
}

/** By what the file says, or by the width of the text that its cross-attention reads. */
function guessFamily({ file, shapes }: OpenAdapter): Family {
  const said = statedFamily(file.metadata);
  if (said !== null) return said;
  for (const [module, shape] of shapes) {
    if (!/\.attn2\.to_[kv]$/.test(module)) continue;
    const width = inputsOf(shape);
    if (width === 768) return 'sd1';
    if (width === 1024) return 'sd2';
  }
  return 'sdxl';
}

function inputsOf(shape: LayerShape): number {
  if (isDifference(shape)) return shape.shape[1] ?? 0;
  return isLowRank(shape) ? shape.in : shape.a2 * shape.b2;
}

function only<T extends Layer>(
  layers: ReadonlyMap<string, Layer>,
  kind: (layer: Layer) => layer is T,
): ReadonlyMap<string, T> {
  return new Map([...layers].flatMap(([module, layer]) => (kind(layer) ? [[module, layer] as const] : [])));
}

/** Every layer as a LoRA: as it is, exactly, or of a rank. */
function toLowRank(
  layers: ReadonlyMap<string, KroneckerFactors | LowRankFactors>,
  rank: number | undefined,
  name: string,
) {
  const made = new Map<string, LowRankFactors>();
  let [lost, whole] = [0, 0];
  let worst: Conversion['worst'] = null;
  for (const [module, layer] of layers) {
    if (isLowRank(layer)) made.set(module, layer);
    else if (rank === undefined || (hasExactForm(layer) && exactRank(layer) <= rank)) {
      if (!hasExactForm(layer))
        throw new KronaError(
          'ADAPTER_LOSSY',
          `${name} changes ${module} by a product whose exact LoRA would be larger than full rank; ` +
            'say how close it may come with --rank N, and the error will be told.',
        );
      made.set(module, exactLowRank(layer));
    } else {
      const cut = truncatedLowRank(layer, rank);
      made.set(module, cut.layer);
      lost += cut.lost;
      whole += cut.whole;
      const error = cut.whole === 0 ? 0 : Math.sqrt(cut.lost / cut.whole);
      if (worst === null || error > worst.error) worst = { module, error };
    }
  }
  return { made: withOneAlpha(made), error: whole === 0 ? 0 : Math.sqrt(lost / whole), worst };
}

/**
 * The same ΔW with one alpha for all modules, whatever their ranks: diffusers reads files that hold several at the wrong
 * scales. Those of the commonest rank stay copies; the others are rounded once.
 */
function withOneAlpha(layers: ReadonlyMap<string, LowRankFactors>): ReadonlyMap<string, LowRankFactors> {
  const alphas = [...layers.values()].map(({ scale, rank }) => scale * rank);
  const counts = new Map<number, number>();
  for (const alpha of alphas) counts.set(alpha, (counts.get(alpha) ?? 0) + 1);
  if (counts.size < 2) return layers;
  const [alpha] = [...counts].reduce((best, each) => (each[1] > best[1] ? each : best));
  return new Map(
    [...layers].map(([module, layer]) => {
      const { rank, scale, up } = layer;
      if (scale * rank === alpha) return [module, layer];
      const factor = (scale * rank) / alpha;
      return [module, { ...layer, scale: alpha / rank, up: up.map((value) => value * factor) }];
    }),
  );
}

async function writeLowRank(
  layers: ReadonlyMap<string, LowRankFactors>,
  source: Source,
  options: ConvertOptions,
): Promise<Written> {
  const { base, family, dtype } = source;
  const ranks = [...layers.values()].map(({ rank }) => rank);
  if (options.to === 'peft') await writePeftLora(options.out, layers, aboutPeft(source));
  else {
    const tensors =
      options.names === 'diffusers'
        ? peftTensors(layers, diffusersName, dtype)
        : kohyaTensors(layers, base, family, dtype);
    const metadata = metadataFor(source, 'networks.lora', String(Math.max(...ranks)));
    await writeSafetensors(options.out, tensors, metadata);
  }
  return summary(options, layers);
}

/** A LoRA as LoKr says it: w1 = [[1]], and up, down as the factors of w2, whose scale is alpha/rank too. */
function loraAsLokr(layers: ReadonlyMap<string, LowRankFactors>, source: Source): Map<string, TensorToWrite> {
  const { base, family, dtype } = source;
  const nameOf = moduleNames(layers.keys(), base, FAMILIES[family].style);
  const tensors = new Map<string, TensorToWrite>();
  for (const [module, { rank, out, scale, down, up }] of layers) {
    const name = nameOf(module);
    tensors.set(`${name}.lokr_w1`, { dtype, shape: [1, 1], data: new Float32Array([1]) });
    tensors.set(`${name}.lokr_w2_a`, { dtype, shape: [out, rank], data: up });
    tensors.set(`${name}.lokr_w2_b`, { dtype, shape: [rank, down.length / rank], data: down });
    tensors.set(`${name}.alpha`, { dtype: 'F32', shape: [], data: new Float32Array([scale * rank]) });
  }
  return tensors;
}

function baseModelOf({ adapter: { file } }: Source): string | null {
  return file.metadata.get('krona.base_model') ?? file.metadata.get('ss_sd_model_name') ?? null;
}

/** What the source says about itself, of which the folder of PEFT has another form for how its numbers are held. */
function aboutPeft(source: Source): PeftFacts {
  const { file } = source.adapter;
  const metadata = [...file.metadata].filter(([key]) => !/^(?:ss_network_|lora_adapter_metadata$)/.test(key));
  return { baseModel: baseModelOf(source), dtype: source.dtype, metadata: new Map(metadata) };
}

function notesOf({ adapter: { file }, layers }: Source, { to, base }: ConvertOptions): string[] {
  const notes = statedNotes(file, base);
  const strength = noiseStrengthOf(file.metadata);
  if (strength !== undefined)
    notes.push(
      `Its strength falls to ${strength} at pure noise (krona.noise_strength), which Krona alone follows: other programs ` +
        'draw it at full strength throughout.',
    );
  if (to === 'peft' && [...layers.keys()].some((path) => path.startsWith('text_encoder.')))
    notes.push(
      'PEFT finds these modules in the text encoder of transformers 5 and later, whose names have no text_model; for ' +
        'transformers 4 convert with --to lora --names diffusers, which diffusers reads with either.',
    );
  return notes;
}

/** The source's metadata, with what other programs need to know of the new form. */
function metadataFor(
  { adapter: { file }, family, base }: Source,
  module: string,
  dim: string,
  args?: Readonly<Record<string, string>>,
): Map<string, string> {
  const metadata = new Map(file.metadata);
  const { version, v2 } = FAMILIES[family];
  const alpha = args ? '1' : dim;
  const facts = { format: 'pt', ss_network_module: module, ss_network_dim: dim, ss_network_alpha: alpha };
  for (const [key, value] of Object.entries(facts)) metadata.set(key, value);
  if (!metadata.has('ss_base_model_version')) metadata.set('ss_base_model_version', version).set('ss_v2', v2);
  if (args) metadata.set('ss_network_args', JSON.stringify(args));
  else metadata.delete('ss_network_args');
  // The way of diffusers to say scales, which are in the tensors now.
  metadata.delete('lora_adapter_metadata');
  if (FAMILIES[family].style === 'ldm') metadata.set('krona.layers_per_block', JSON.stringify(base));
  return metadata;
}

function summary(
  { out, to }: ConvertOptions,
  layers: ReadonlyMap<string, KroneckerFactors | LowRankFactors>,
): Written {
  let parameters = 0;
  let rank: number | null = null;
  for (const layer of layers.values()) {
    if (isLowRank(layer)) rank = Math.max(rank ?? 0, layer.rank);
    parameters += isLowRank(layer) ? layer.down.length + layer.up.length : layer.a.length + layer.b.length;
  }
  return { out, format: to, modules: layers.size, parameters, rank };
}
