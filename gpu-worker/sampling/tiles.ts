/**
 * @file Runs large pictures through the VAE in overlapping tiles, so that memory doesn't grow with the picture. Tiles,
 * overlaps and blending are those of diffusers' AutoencoderKL.enable_tiling. Group norms see only one tile, so colours
 * can differ slightly from an untiled picture; the overlaps hide the seams.
 */
import { at } from '../../core/at.ts';
import { openDecoder, openEncoder, type Decoder, type Encoder } from '../models/autoencoder.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { vaeScale } from '../models/vae.ts';
import { SessionCache } from './session-cache.ts';
import { zip2, zip3 } from './zip.ts';

/**
 * Pixels above which a picture goes through the VAE in tiles by default: twice SDXL's 1024×1024, about 5 GiB in fp32.
 */
const TILED_ABOVE = 2 * 1024 * 1024;
/** Share of a tile that overlaps the next one. */
const OVERLAP = 0.25;
/** Inner, right, bottom and corner tiles differ in size; a row has two sizes. */
const SIZES_IN_A_ROW = 2;

/** Sides and strides of square tiles, in the input and in the result. */
interface Tiling {
  readonly tile: number;
  readonly step: number;
  /** Rows and columns of the result that two tiles share. */
  readonly blend: number;
  /** Rows and columns of the result that a tile contributes. */
  readonly keep: number;
}

/** Values [channels, height, width]. */
interface Planes {
  readonly data: Float32Array;
  readonly height: number;
  readonly width: number;
}

/** @param asked null: by size */
export function needsTiles(
  { vae }: ModelFolder,
  width: number,
  height: number,
  asked: boolean | null,
): boolean {
  return (asked ?? width * height > TILED_ABOVE) && Math.max(width, height) > vae.config.sample_size;
}

/** A decoder in tiles, of the size that the VAE was trained on by default. @param side - of a tile of the picture, pixels */
export function openTiledDecoder(
  model: ModelFolder,
  width: number,
  height: number,
  side = model.vae.config.sample_size,
): Decoder {
  const { config } = model.vae;
  const scale = vaeScale(config);
  const tiling = tilingOf(Math.floor(side / scale), side);
  const decoders = new SessionCache<Decoder>(SIZES_IN_A_ROW);
  return {
    async decode(latents) {
      const input = { data: latents, height: height / scale, width: width / scale };
      return inTiles(input, tiling, config.latent_channels, async ({ data, height: h, width: w }) => {
        const [rows, columns] = [h * scale, w * scale];
        const decoder = await decoders.get(`${w}x${h}`, () => openDecoder(model, columns, rows));
        return { data: await decoder.decode(data), height: rows, width: columns };
      });
    },
    release: () => decoders.release(),
  };
}

/** An encoder in tiles of that size. */
export function openTiledEncoder(model: ModelFolder, width: number, height: number): Encoder {
  const { config } = model.vae;
  const scale = vaeScale(config);
  const tiling = tilingOf(config.sample_size, Math.floor(config.sample_size / scale));
  const encoders = new SessionCache<Encoder>(SIZES_IN_A_ROW);
  return {
    async encode(pixels) {
      const input = { data: pixels, height, width };
      const moments = await inTiles(
        input,
        tiling,
        config.in_channels,
        async ({ data, height: h, width: w }) => {
          const encoder = await encoders.get(`${w}x${h}`, () => openEncoder(model, w, h));
          const { mean, deviation } = await encoder.encode(data);
          // Blends the log variances, as the VAE outputs them.
          const both = Float32Array.from([...mean, ...deviation.map(Math.log)]);
          return { data: both, height: h / scale, width: w / scale };
        },
      );
      const half = moments.length / 2;
      return { mean: moments.slice(0, half), deviation: moments.slice(half).map(Math.exp) };
    },
    release: () => encoders.release(),
  };
}

function tilingOf(tile: number, result: number): Tiling {
  const blend = Math.floor(result * OVERLAP);
  return { tile, step: Math.floor(tile * (1 - OVERLAP)), blend, keep: result - blend };
}

/** Runs tile after tile, row by row, and blends each with the tiles above and to the left. */
async function inTiles(
  input: Planes,
  { tile, step, blend, keep }: Tiling,
  channels: number,
  run: (part: Planes) => Promise<Planes>,
): Promise<Float32Array> {
  const rows: Planes[] = [];
  let above: Planes[] = [];
  for (let top = 0; top < input.height; top += step) {
    const row: Planes[] = [];
    for (let left = 0; left < input.width; left += step) {
      const made = await run(cut(input, channels, top, left, tile));
      const upper = above[row.length];
      const before = row.at(-1);
      if (upper) blendRows(upper, made, blend);
      if (before) blendColumns(before, made, blend);
      row.push(made);
    }
    rows.push(beside(row, keep));
    above = row;
  }
  return below(rows);
}

/** A row of one of the planes, counted over all of them; a view. */
const rowOf = ({ data, width }: Planes, line: number): Float32Array =>
  data.subarray(line * width, (line + 1) * width);

const planesOf = ({ data, height, width }: Planes): number => data.length / (height * width);

function cut(from: Planes, channels: number, top: number, left: number, side: number): Planes {
  const [height, width] = [Math.min(side, from.height - top), Math.min(side, from.width - left)];
  const data = new Float32Array(channels * height * width);
  for (let line = 0; line < channels * height; line++) {
    const [channel, y] = [Math.floor(line / height), top + (line % height)];
    const start = (channel * from.height + y) * from.width + left;
    data.set(from.data.subarray(start, start + width), line * width);
  }
  return { data, height, width };
}

/** The first rows of `lower` fade in over the last of `upper`. */
function blendRows(upper: Planes, lower: Planes, blend: number): void {
  const extent = Math.min(blend, upper.height, lower.height);
  for (let c = 0; c < planesOf(lower); c++)
    for (let y = 0; y < extent; y++) {
      const share = y / extent;
      const row = rowOf(lower, c * lower.height + y);
      const old = rowOf(upper, (c + 1) * upper.height - extent + y);
      row.set(zip2(old, row, (before, after) => before * (1 - share) + after * share));
    }
}

/** The first columns of `right` fade in over the last of `left`. */
function blendColumns(left: Planes, right: Planes, blend: number): void {
  const extent = Math.min(blend, left.width, right.width);
  const places = Float32Array.from({ length: extent }, (_, x) => x);
  for (let line = 0; line < planesOf(right) * right.height; line++) {
    const old = rowOf(left, line).subarray(left.width - extent);
    const row = rowOf(right, line).subarray(0, extent);
    row.set(zip3(old, row, places, (before, after, x) => before * (1 - x / extent) + after * (x / extent)));
  }
}

/** The first `keep` rows and columns of each tile, side by side. */
function beside(row: readonly Planes[], keep: number): Planes {
  const parts = row.map((tile) => cut(tile, planesOf(tile), 0, 0, keep));
  const { height } = at(parts, 0);
  const width = parts.reduce((sum, part) => sum + part.width, 0);
  const data = new Float32Array(planesOf(at(parts, 0)) * height * width);
  for (let line = 0; line < data.length / width; line++) {
    let offset = line * width;
    for (const part of parts) {
      data.set(part.data.subarray(line * part.width, (line + 1) * part.width), offset);
      offset += part.width;
    }
  }
  return { data, height, width };
}

/** Rows of tiles one below the other. */
function below(rows: readonly Planes[]): Float32Array {
  const data = new Float32Array(rows.reduce((sum, row) => sum + row.data.length, 0));
  const channels = planesOf(at(rows, 0));
  let offset = 0;
  for (let c = 0; c < channels; c++)
    for (const row of rows) {
      const plane = row.height * row.width;
      data.set(row.data.subarray(c * plane, (c + 1) * plane), offset);
      offset += plane;
    }
  return data;
}
