/**
 * @file Enlarges pictures by ESRGAN-slim, in windows, so that memory doesn't grow with the picture. Windows give the same as the
 * whole picture at once.
 */
import { at } from '../../../core/at.ts';
import type { Enlargement } from '../../../core/pictures/enlarged-size.ts';
import { compileFunction } from '../../graph/compile.ts';
import { Session } from '../../graph/runtime.ts';
import { givenParameters } from '../../models/parameters.ts';
import { REACH, residualDense } from '../../models/residual-dense.ts';
import { SessionCache } from '../session-cache.ts';
import { readEsrganWeights } from './esrgan-weights.ts';
import type { Raster } from './raster.ts';
import { enlargedAlpha, withoutHidden } from './transparency.ts';
import { windowsOver } from './windows.ts';

/** Side of a window, pixels: some 200 MB at 4 times. */
const WINDOW = 192;
/** Sessions kept: windows of both enlargements. */
const KEPT = 2;

type Network = Session<{ readonly enlarged: Float32Array }>;

export class Upscaler {
  readonly #networks = new SessionCache<Network>(KEPT);

  /**
   * A picture `scale` times as wide and high. What is transparent stays so.
   *
   * @param side of a window, pixels; more than 20
   * @throws KronaError UPSCALER_MISSING; the signal's reason when it aborts
   */
  async enlarge(
    picture: Raster,
    scale: Enlargement,
    { signal, side = WINDOW }: { readonly signal?: AbortSignal; readonly side?: number } = {},
  ): Promise<Raster> {
    const { width, height, channels, pixels } = picture;
    const run = (rgb: Uint8Array) => this.#enlarged({ width, height, pixels: rgb }, scale, side, signal);
    const size = { width: width * scale, height: height * scale };
    if (channels === 3) return { ...size, channels, pixels: await run(pixels) };
    const colours = await run(withoutHidden(picture));
    const alpha = await enlargedAlpha(picture, scale, run);
    const all = new Uint8Array(4 * alpha.length);
    for (let i = 0; i < alpha.length; i++) {
      all.set(colours.subarray(3 * i, 3 * i + 3), 4 * i);
      all[4 * i + 3] = at(alpha, i);
    }
    return { ...size, channels, pixels: all };
  }

  release(): Promise<void> {
    return this.#networks.release();
  }

  async #enlarged(
    { width, height, pixels }: Omit<Raster, 'channels'>,
    scale: Enlargement,
    side: number,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const [w, h] = [Math.min(width, side), Math.min(height, side)];
    const network = await this.#network(w, h, scale);
    const result = new Uint8Array(3 * width * height * scale ** 2);
    for (const rows of windowsOver(height, h, REACH))
      for (const columns of windowsOver(width, w, REACH)) {
        signal?.throwIfAborted();
        const window = new Float32Array(3 * w * h);
        for (let y = 0; y < h; y++)
          for (let x = 0; x < w; x++)
            for (let c = 0; c < 3; c++)
              window[(c * h + y) * w + x] = at(
                pixels,
                3 * ((rows.start + y) * width + columns.start + x) + c,
              );
        const { enlarged } = await network.run({ pictures: window });
        const [wide, high] = [w * scale, h * scale];
        for (let y = rows.from * scale; y < rows.to * scale; y++)
          for (let x = columns.from * scale; x < columns.to * scale; x++)
            for (let c = 0; c < 3; c++) {
              const from = (c * high + y - rows.start * scale) * wide + x - columns.start * scale;
              const value = Math.round(at(enlarged, from));
              result[3 * (y * width * scale + x) + c] = Math.min(255, Math.max(0, value));
            }
      }
    return result;
  }

  #network(width: number, height: number, scale: Enlargement): Promise<Network> {
    return this.#networks.get(`${width}x${height} x${scale}`, async () => {
      const parameters = givenParameters(await readEsrganWeights(scale));
      return Session.create(
        compileFunction({ pictures: [1, 3, height, width] }, ({ pictures }) => ({
          enlarged: residualDense(parameters, pictures, scale),
        })),
      );
    });
  }
}
