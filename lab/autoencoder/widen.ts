/**
 * @file Widens a trained autoencoder to more feature maps and latent channels without changing its output at first:
 * every map is duplicated and the copies share its outgoing weights (Chen et al. 2016, Net2Net, arXiv 1511.05641,
 * section 2.3); new latents start small in the encoder and unread in the decoder.
 */
import { at } from '../../core/at.ts';
import { KeyedRandom } from '../../core/random.ts';
import type { VaeConfig } from '../../gpu-worker/models/model-configs.ts';
import type { FlatLayout } from '../../gpu-worker/models/parameters.ts';
import type { StoredValues } from '../pretrain/autoencoder-folder.ts';
import type { Shape } from '../../gpu-worker/graph/primitives.ts';

/** For each wide channel: the narrow channel that it copies, and its share of that channel's outgoing weights. */
interface Widening {
  readonly source: Int32Array;
  readonly share: Float32Array;
}

/** Scale of a new latent channel's encoder weights: its means come out around a third. */
const NEW_LATENT_DEVIATION = 0.02;
/** Initial log variance of a new latent channel. */
const NEW_LATENT_LOGVAR = -4;

/**
 * Writes the narrow model's parameters, widened, over `values` and returns them.
 *
 * @param layout of the wide model, as vaeEncoder and vaeDecoder ask for it
 * @throws RangeError unless each level's width is the narrow one's times a whole number, the last level's width is
 * equal (its attention would change), and no latent channel is lost
 */
export function widened(
  narrow: VaeConfig,
  wide: VaeConfig,
  tensors: ReadonlyMap<string, StoredValues>,
  layout: FlatLayout,
  values: Float32Array,
  seed: number,
): Float32Array {
  checkWidths(narrow, wide);
  const widenings = new Widenings(wide.norm_num_groups, seed);
  const folded = foldShortcuts(tensors, new Set(layout.entries.map(({ name }) => name)));
  for (const [index, { name, shape, offset }] of layout.entries.entries()) {
    const stored = folded.get(name);
    if (!stored) continue;
    const random = new KeyedRandom(seed, 'new latents', index);
    const latent = latentTensor(name, stored, shape, narrow.latent_channels, wide.latent_channels, random);
    values.set(latent ?? widenings.widen(stored, shape), offset);
  }
  return values;
}

function checkWidths(narrow: VaeConfig, wide: VaeConfig): void {
  const [from, to] = [narrow.block_out_channels, wide.block_out_channels];
  const fits =
    from.length === to.length &&
    to.every((width, level) => width % at(from, level) === 0) &&
    to.at(-1) === from.at(-1) &&
    narrow.norm_num_groups === wide.norm_num_groups &&
    narrow.layers_per_block === wide.layers_per_block &&
    wide.latent_channels >= narrow.latent_channels;
  if (fits) return;
  throw new RangeError(
    `an autoencoder of widths ${from.join(', ')} and ${narrow.latent_channels} latent channels can't be widened to ` +
      `${to.join(', ')} and ${wide.latent_channels}; expected multiples of all widths but the last, and the same groups and layers`,
  );
}

/**
 * A block between levels that are equally wide in the wide model has no convolution on its shortcut. The narrow one's
 * merges into the convolution before it, and the block's other branch restarts at zero, because its input changed. This
 * step alone changes the model's output, until some hundred training steps later.
 */
function foldShortcuts(
  tensors: ReadonlyMap<string, StoredValues>,
  wanted: ReadonlySet<string>,
): Map<string, StoredValues> {
  const result = new Map(tensors);
  for (const [name, shortcut] of tensors) {
    const [, half, level] =
      /^(encoder\.down|decoder\.up)_blocks\.(\d+)\.resnets\.0\.conv_shortcut\.weight$/.exec(name) ?? [];
    if (half === undefined || wanted.has(name)) continue;
    const sampler = half === 'encoder.down' ? 'downsamplers' : 'upsamplers';
    const before = `${half}_blocks.${Number(level) - 1}.${sampler}.0.conv`;
    const path = name.replace('conv_shortcut.weight', '');
    const of = (parameter: string): StoredValues => {
      const stored = result.get(parameter);
      if (!stored) throw new RangeError(`the autoencoder has no ${parameter}`);
      return stored;
    };
    const [weight, bias] = [of(`${before}.weight`), of(`${before}.bias`)];
    const added = of(`${path}conv_shortcut.bias`).data;
    result.set(`${before}.weight`, mixed(shortcut, weight));
    const shifted = mixed(shortcut, bias);
    result.set(`${before}.bias`, { ...shifted, data: shifted.data.map((value, i) => value + at(added, i)) });
    for (const part of ['norm1', 'conv1', 'conv_shortcut'])
      for (const kind of ['weight', 'bias']) result.delete(`${path}${part}.${kind}`);
    for (const kind of ['weight', 'bias']) {
      const { shape, data } = of(`${path}conv2.${kind}`);
      result.set(`${path}conv2.${kind}`, { shape, data: new Float32Array(data.length) });
    }
  }
  return result;
}

/** A convolution followed by a pointwise one [K,C,1,1], as one convolution. */
function mixed(
  { shape: [rows = 1, columns = 1], data: mix }: StoredValues,
  { shape, data }: StoredValues,
): StoredValues {
  const each = data.length / columns;
  const result = new Float32Array(rows * each);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      for (let i = 0; i < each; i++)
        result[row * each + i] =
          at(result, row * each + i) + at(mix, row * columns + column) * at(data, column * each + i);
  return { shape: [rows, ...shape.slice(1)], data: result };
}

/** Always widens the same pair of widths in the same way, so that added or normalised tensors match. */
class Widenings {
  readonly #known = new Map<string, Widening>();
  readonly #groups: number;
  readonly #seed: number;

  constructor(groups: number, seed: number) {
    this.#groups = groups;
    this.#seed = seed;
  }

  /** Repeats outputs on the first axis; repeats inputs on the second, which share the weights. */
  widen({ shape, data }: StoredValues, wide: Shape): Float32Array {
    const [outputs = 1, inputs = 1, ...window] = wide;
    const rows = this.#of(shape[0] ?? 1, outputs);
    const columns = this.#of(shape[1] ?? 1, inputs);
    const area = window.reduce((product, side) => product * side, 1);
    const from = shape[1] ?? 1;
    const result = new Float32Array(outputs * inputs * area);
    let to = 0;
    for (const row of rows.source) {
      for (const [column, source] of columns.source.entries()) {
        const start = (row * from + source) * area;
        for (let i = start; i < start + area; i++) result[to++] = at(data, i) * at(columns.share, column);
      }
    }
    return result;
  }

  #of(from: number, to: number): Widening {
    const key = `${from} ${to}`;
    const known = this.#known.get(key) ?? doubling(from, to, this.#groups, new KeyedRandom(this.#seed, key));
    this.#known.set(key, known);
    return known;
  }
}

/** Repeats each group's channels `to / from` times within the group, so that its mean and variance stay. */
function doubling(from: number, to: number, groups: number, random: KeyedRandom): Widening {
  if (from === to)
    return { source: Int32Array.from({ length: to }, (_, i) => i), share: new Float32Array(to).fill(1) };
  const [own, grown] = [from / groups, to / groups];
  const source = Int32Array.from({ length: to }, (_, i) => Math.floor(i / grown) * own + ((i % grown) % own));
  // Unequal, or the copies would get equal gradients forever.
  const parts = Array.from(source, () => 0.5 + random.uniform());
  const sums = new Float32Array(from);
  parts.forEach((part, i) => (sums[at(source, i)] = at(sums, at(source, i)) + part));
  return { source, share: Float32Array.from(parts, (part, i) => part / at(sums, at(source, i))) };
}

/** The tensors next to the latents, each built from its values for the old latents; undefined for all others. */
function latentTensor(
  name: string,
  { shape, data }: StoredValues,
  wide: Shape,
  from: number,
  to: number,
  random: KeyedRandom,
): Float32Array | undefined {
  const result = new Float32Array(wide.reduce((product, side) => product * side, 1));
  const area = wide.slice(2).reduce((product, side) => product * side, 1);
  const columns = wide[1] ?? 1;
  const copy = (row: number, column: number, toRow: number, toColumn: number): void => {
    const start = (row * (shape[1] ?? 1) + column) * area;
    result.set(data.subarray(start, start + area), (toRow * columns + toColumn) * area);
  };
  /** Means, then log variances: the new index of channel i of the narrow model's 2·from. */
  const place = (i: number): number => (i < from ? i : i - from + to);
  const bias = name.endsWith('.bias');

  switch (name.replace(/\.(weight|bias)$/, '')) {
    case 'encoder.conv_out':
      for (let i = 0; i < 2 * from; i++)
        for (let column = 0; column < columns; column++) copy(i, column, place(i), column);
      if (bias) result.fill(NEW_LATENT_LOGVAR, to + from, 2 * to);
      else
        for (let i = from * columns * area; i < to * columns * area; i++)
          result[i] = NEW_LATENT_DEVIATION * random.normal();
      return result;
    case 'quant_conv':
    case 'post_quant_conv': {
      const [olds, news] = name.startsWith('quant') ? [2 * from, 2 * to] : [from, to];
      if (!bias) for (let i = 0; i < news; i++) result[i * news + i] = 1;
      for (let i = 0; i < olds; i++)
        if (bias) copy(i, 0, place(i), 0);
        else for (let j = 0; j < olds; j++) copy(i, j, place(i), place(j));
      return result;
    }
    case 'decoder.conv_in':
      if (bias) return data;
      for (let row = 0; row < at(shape, 0); row++)
        for (let column = 0; column < from; column++) copy(row, column, row, column);
      return result;
    default:
      return undefined;
  }
}
