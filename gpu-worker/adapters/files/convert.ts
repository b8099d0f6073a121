/**
 * @file Makes one adapter file from another: exactly wherever the target can hold the same ΔW, and otherwise not, unless
 * a rank is given, whose error is then reported.
 */
import { KronaError } from '../../../core/errors.ts';
import type { AdapterLayers } from '../adapter.ts';
import type { FileDtype, FileTensors, Layer } from '../forms/form.ts';
import type { LowRankLayer } from '../forms/low-rank.ts';
import { isHalf } from '../../models/half.ts';
import type { AdapterBase } from './adapter-base.ts';
import { FAMILIES, fileLayers, noiseStrengthOf, type Family } from './adapter-info.ts';
import { openAdapter, readLayer, type OpenAdapter } from './open-adapter.ts';
import { writePeft, type PeftFacts } from './peft-folder.ts';
import { readOpened } from './read-adapter.ts';
import { statedFamily, statedNotes } from './stated-facts.ts';
import { kohyaNamed, named, writeTensors, type Naming } from './write-adapter.ts';

export const CONVERSIONS = ['lokr', 'peft', 'lora'] as const;

export interface ConvertOptions {
  readonly to: (typeof CONVERSIONS)[number];
  /** A .safetensors file; a folder for `peft`. */
  readonly out: string;
  /** Names of a LoRA: kohya's (default), or diffusers' own. */
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
  /** What other programs make of it differently from Krona or its maker, a sentence each. */
  readonly notes: readonly string[];
}

type Written = Omit<Conversion, 'error' | 'worst' | 'notes'>;
type LowRankLayers = ReadonlyMap<string, LowRankLayer>;

interface Source extends Naming {
  readonly adapter: OpenAdapter;
  readonly layers: AdapterLayers;
  /** Whether the family is a fact: a file that says a wrong one is refused by its own model. */
  readonly known: boolean;
  /** The file's numbers are in half precision. */
  readonly half: boolean;
}

/**
 * @throws KronaError as openAdapter and readAdapter; ADAPTER_LOSSY (only an approximation is possible, and no rank was
 * given), ADAPTER_UNREPRESENTABLE (the target cannot hold it at all)
 */
export async function convertAdapter(path: string, options: ConvertOptions): Promise<Conversion> {
  const source = await open(path, options);
  return { ...(await write(source, options)), notes: notesOf(source, options) };
}

async function write(source: Source, options: ConvertOptions): Promise<Omit<Conversion, 'notes'>> {
  const { name } = source.adapter.file;
  const { to, out, rank } = options;
  const [layers, vectors] = withoutVectors(source.layers, name);
  if (to === 'peft' && vectors.size > 0)
    throw new KronaError(
      'ADAPTER_UNREPRESENTABLE',
      `${name} also changes biases or norms (${[...vectors.keys()][0]}), which a PEFT folder cannot hold; convert with --to lora.`,
    );
  if (to === 'lora' || (to === 'peft' && rank !== undefined)) {
    const { made, ...errors } = toLowRank(layers, rank, name);
    return { ...(await writeLowRank(made, vectors, source, options)), ...errors };
  }
  if (rank !== undefined)
    throw new KronaError(
      'OPTION_INVALID',
      'rank works with --to lora and --to peft; a LoKr keeps its factors.',
    );
  if (to === 'peft') {
    if (new Set([...layers.values()].map(({ form }) => form)).size > 1)
      throw new KronaError(
        'ADAPTER_UNREPRESENTABLE',
        `${name} mixes LoKr and LoRA; a PEFT folder holds one of them. Convert with --to lora.`,
      );
    await writePeft(out, layers, aboutPeft(source, layers));
  } else {
    const metadata = metadataFor(source, 'lycoris.kohya', '100000', {
      algo: 'lokr',
      factor: '-1',
      full_matrix: 'True',
    });
    const dtype = dtypeOf(source, layers, vectors);
    await writeTensors(
      out,
      kohyaNamed(new Map([...lokrTensors(layers, name, dtype), ...tensorsOf(vectors, dtype)]), source),
      metadata,
    );
  }
  return { ...summary(options, layers), error: 0, worst: null };
}

/**
 * The products of an adapter, and what stands beside them: differences of biases and norms, which LoRA and LoKr files hold
 * as they are.
 * @throws KronaError ADAPTER_UNREPRESENTABLE for a difference of a whole matrix
 */
function withoutVectors(
  layers: AdapterLayers,
  name: string,
): [products: AdapterLayers, vectors: AdapterLayers] {
  const factored = new Map([...layers].filter(([, { form }]) => form.factored));
  const others = new Map([...layers].filter(([, { form }]) => !form.factored));
  for (const [module, { size, inputs }] of others)
    if (factored.size === 0 || inputs !== 0 || size > MOST_VECTOR)
      throw new KronaError(
        'ADAPTER_UNREPRESENTABLE',
        `${name} changes ${module} in full; only a difference file can hold that.`,
      );
  return [factored, others];
}

/** Numbers of a bias. */
const MOST_VECTOR = 1 << 16;

/** Half precision stays where numbers are only copied: a scale that went into a factor would be rounded away. */
function dtypeOf({ half }: Source, ...written: readonly AdapterLayers[]): FileDtype {
  const numbers = written.flatMap((layers) => [...layers.values()].flatMap((layer) => layer.numbers));
  return half && numbers.every(isHalf) ? 'F16' : 'F32';
}

const tensorsOf = (layers: AdapterLayers, dtype: FileDtype): [string, FileTensors][] =>
  [...layers].map(([key, layer]) => [key, layer.tensors(dtype)]);

/** @throws KronaError ADAPTER_UNREPRESENTABLE */
function lokrTensors(
  layers: AdapterLayers,
  name: string,
  dtype: FileDtype,
): ReadonlyMap<string, FileTensors> {
  return new Map(
    [...layers].map(([module, layer]) => {
      const tensors = layer.lokrTensors(dtype);
      if (tensors === null)
        throw new KronaError(
          'ADAPTER_UNREPRESENTABLE',
          `${name} changes ${module} by DiffuseKronA's row-permuted product, which LoKr cannot hold; ` +
            'convert with --to lora, which is exact.',
        );
      return [module, tensors];
    }),
  );
}

async function open(path: string, { base }: ConvertOptions): Promise<Source> {
  const adapter = await openAdapter(path, base?.layers);
  const { file } = adapter;
  let layers: AdapterLayers;
  if (base) ({ layers } = await readOpened(adapter, base));
  else {
    checkModules(adapter);
    const read = new Map<string, Layer>();
    // One after the other: of a large file every layer opens it again.
    for (const [key, layer] of adapter.layers) read.set(key, await readLayer(adapter, layer));
    layers = read;
  }
  const half = [...file.tensors].every(([key, { dtype }]) => key.endsWith('.alpha') || dtype === 'F16');
  const family = base?.family ?? guessFamily(adapter);
  return {
    adapter,
    layers,
    base: base?.layers ?? fileLayers(file.metadata),
    // SDXL's names mean the same in all programs.
    family: family ?? 'sdxl',
    known: family !== null,
    half,
  };
}

/**
 * Names that are no paths of modules keep their spelling in `layers`.
 * @throws KronaError ADAPTER_TARGETS_UNSUPPORTED if there are any
 */
function checkModules({ file, layers }: OpenAdapter): void {
  const unknown = [...layers.values()].flatMap(({ known, name }) => (known ? [] : [name]));
  if (unknown.length > 0)
    throw new KronaError(
      'ADAPTER_TARGETS_UNSUPPORTED',
      `${file.name} changes modules that Krona doesn't know: ${unknown.slice(0, 4).join(', ')}.`,
    );
}

/** By what the file says, or by the width of the text that its cross-attention reads or its text encoder has; null: unknown. */
function guessFamily({ file, layers }: OpenAdapter): Family | null {
  const said = statedFamily(file.metadata);
  if (said !== null) return said;
  for (const [module, { name, stored }] of layers) {
    // kohya's name of a text encoder that is the only one.
    const ofText = name.startsWith('lora_te_') && /\.self_attn\.\w+_proj$/.test(module);
    const known =
      ofText || /\.attn2\.to_[kv]$/.test(module) ? FAMILY_BY_WIDTH[stored.shape.inputs] : undefined;
    if (known !== undefined) return known;
  }
  return null;
}

const FAMILY_BY_WIDTH: Readonly<Record<number, Family>> = { 768: 'sd1', 1024: 'sd2', 2048: 'sdxl' };

/** Every layer as a LoRA: as it is, exactly, or of a rank. @throws KronaError ADAPTER_LOSSY */
function toLowRank(layers: AdapterLayers, rank: number | undefined, name: string) {
  const made = new Map<string, LowRankLayer>();
  let [lost, whole] = [0, 0];
  let worst: Conversion['worst'] = null;
  for (const [module, layer] of layers) {
    checkSize(module, layer, rank, name);
    const low = layer.asLowRank(rank);
    if (low === null)
      throw new KronaError(
        'ADAPTER_LOSSY',
        `${name} changes ${module} by a product whose exact LoRA would be larger than full rank; ` +
          'give --rank N for the closest LoRA of that rank, and the error is reported.',
      );
    made.set(module, low.layer);
    if (low.loss === null) continue;
    lost += low.loss.lost;
    whole += low.loss.whole;
    const error = low.loss.whole === 0 ? 0 : Math.sqrt(low.loss.lost / low.loss.whole);
    if (worst === null || error > worst.error) worst = { module, error };
  }
  return { made: withOneAlpha(made), error: whole === 0 ? 0 : Math.sqrt(lost / whole), worst };
}

/**
 * Refuses what would become gigabytes: a small LoKr file can hold a large ΔW, whose LoRA has a rank of thousands.
 * @throws KronaError ADAPTER_UNREPRESENTABLE
 */
function checkSize(module: string, layer: Layer, rank: number | undefined, name: string): void {
  const out = layer.size / Math.max(1, layer.inputs);
  if (layer.size <= MOST_CONVERTED || (rank !== undefined && rank * (out + layer.inputs) <= MOST_CONVERTED))
    return;
  throw new KronaError(
    'ADAPTER_UNREPRESENTABLE',
    `${name} changes ${module} by ${layer.describe()}, whose LoRA would be too large to write. Convert with --to lokr.`,
  );
}

/** Numbers of one converted module; SDXL's largest weight has 30 million. */
const MOST_CONVERTED = 1 << 26;

/**
 * The same ΔW with one alpha for all modules, whatever their ranks: diffusers reads files that hold several at the wrong
 * scales. Those of the commonest alpha stay copies; the others are rounded once.
 */
function withOneAlpha(layers: LowRankLayers): LowRankLayers {
  const counts = new Map<number, number>();
  // A layer without effect can have any.
  for (const { alpha } of layers.values()) if (alpha !== 0) counts.set(alpha, (counts.get(alpha) ?? 0) + 1);
  if (counts.size < 2) return layers;
  const [alpha] = [...counts].reduce((best, each) => (each[1] > best[1] ? each : best));
  return new Map([...layers].map(([module, layer]) => [module, layer.withAlpha(alpha)]));
}

async function writeLowRank(
  layers: LowRankLayers,
  vectors: AdapterLayers,
  source: Source,
  options: ConvertOptions,
): Promise<Written> {
  if (options.to === 'peft') await writePeft(options.out, layers, aboutPeft(source, layers));
  else {
    if (options.names === 'diffusers' && vectors.size > 0) throw noDiffusers(vectors);
    const tensors =
      options.names === 'diffusers' ? diffusersNamed(layers, source) : kohyaTensors(layers, vectors, source);
    const ranks = [...layers.values()].map(({ rank }) => rank);
    const metadata = metadataFor(source, 'networks.lora', String(Math.max(...ranks)));
    await writeTensors(options.out, tensors, metadata);
  }
  return summary(options, layers);
}

function kohyaTensors(layers: LowRankLayers, vectors: AdapterLayers, source: Source) {
  const dtype = dtypeOf(source, layers, vectors);
  return kohyaNamed(new Map([...tensorsOf(layers, dtype), ...tensorsOf(vectors, dtype)]), source);
}

/** By PEFT's names, which have no alpha: the scale goes into B. */
function diffusersNamed(layers: LowRankLayers, source: Source) {
  const plain = new Map([...layers].map(([path, layer]) => [path, layer.withoutScale()] as const));
  const dtype = dtypeOf(source, plain);
  return named(
    new Map([...plain].map(([path, layer]) => [path, layer.factors(dtype)] as const)),
    diffusersName,
  );
}

const noDiffusers = (vectors: AdapterLayers): KronaError =>
  new KronaError(
    'ADAPTER_UNREPRESENTABLE',
    `The file also changes biases or norms (${[...vectors.keys()][0]}), which diffusers' names cannot hold; use --names kohya.`,
  );

/** A path as diffusers' LoRA files have it. */
const diffusersName = (path: string): string => (path.startsWith('text_encoder') ? path : `unet.${path}`);

function baseModelOf({ adapter: { file } }: Source): string | null {
  return file.metadata.get('krona.base_model') ?? file.metadata.get('ss_sd_model_name') ?? null;
}

/** What the source says about itself, without how its numbers are held: a PEFT folder has its own form for that. */
function aboutPeft(source: Source, layers: AdapterLayers): PeftFacts {
  const { file } = source.adapter;
  const metadata = [...file.metadata].filter(([key]) => !/^(?:ss_network_|lora_adapter_metadata$)/.test(key));
  return { baseModel: baseModelOf(source), dtype: dtypeOf(source, layers), metadata: new Map(metadata) };
}

function notesOf({ adapter: { file, notes: left }, layers }: Source, { to, base }: ConvertOptions): string[] {
  const notes = [...left, ...statedNotes(file, base)];
  const strength = noiseStrengthOf(file.metadata);
  if (strength !== undefined)
    notes.push(
      `Its strength falls to ${strength} at pure noise (krona.noise_strength), which Krona alone follows: other programs ` +
        'use its full strength throughout.',
    );
  if (to === 'peft' && [...layers.keys()].some((path) => path.startsWith('text_encoder.')))
    notes.push(
      'PEFT finds these modules in the text encoder of transformers 5 and later, whose names have no text_model; for ' +
        'transformers 4 convert with --to lora --names diffusers, which diffusers reads with either.',
    );
  return notes;
}

/** The source's metadata, with what other programs need to know about the new form. */
function metadataFor(
  { adapter: { file }, family, known, base }: Source,
  module: string,
  dim: string,
  args?: Readonly<Record<string, string>>,
): Map<string, string> {
  const metadata = new Map(file.metadata);
  const { version, v2 } = FAMILIES[family];
  const alpha = args ? '1' : dim;
  const facts = { format: 'pt', ss_network_module: module, ss_network_dim: dim, ss_network_alpha: alpha };
  for (const [key, value] of Object.entries(facts)) metadata.set(key, value);
  if (known && !metadata.has('ss_base_model_version'))
    metadata.set('ss_base_model_version', version).set('ss_v2', v2);
  if (args) metadata.set('ss_network_args', JSON.stringify(args));
  else metadata.delete('ss_network_args');
  // Diffusers' form of scales, which are in the tensors.
  metadata.delete('lora_adapter_metadata');
  if (FAMILIES[family].style === 'ldm') metadata.set('krona.layers_per_block', JSON.stringify(base));
  return metadata;
}

function summary({ out, to }: ConvertOptions, layers: AdapterLayers): Written {
  const sizes = [...layers.values()].flatMap(({ numbers }) => numbers.map(({ length }) => length));
  const ranks = [...layers.values()].map((layer) => layer.facts().rank ?? 0);
  return {
    out,
    format: to,
    modules: layers.size,
    parameters: sizes.reduce((sum, size) => sum + size, 0),
    rank: Math.max(0, ...ranks) || null,
  };
}
