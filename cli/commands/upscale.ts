/** @file `krona upscale`: enlarges a picture file by a network that keeps what it shows. */
import { basename } from 'node:path';
import { Option, type Command } from 'commander';
import { writeWhole } from '../../core/files.ts';
import type { Enlargement } from '../../core/pictures/enlarged-size.ts';
import { encodeRaster, rasterOf } from '../../gpu-worker/sampling/upscaling/raster.ts';
import { Upscaler } from '../../gpu-worker/sampling/upscaling/upscaler.ts';
import { action, type Shell } from '../output.ts';

interface UpscaleGiven {
  scale: '2' | '4';
  out: string;
}

export function define(command: Command, shell: Shell): void {
  command
    .argument('<picture>', 'PNG, JPEG, WebP, GIF, TIFF or AVIF file; transparency is kept')
    .addOption(
      new Option('--scale <times>', 'how many times as wide and high').choices(['2', '4']).default('2'),
    )
    .requiredOption('--out <file>', 'PNG file for the result');
  action(command, shell, async (io, path: string, { scale, out }: UpscaleGiven) => {
    const times: Enlargement = scale === '2' ? 2 : 4;
    const upscaler = new Upscaler();
    const began = performance.now();
    try {
      const big = await upscaler.enlarge(await rasterOf(path, basename(path), times), times, {
        signal: io.signal,
      });
      await writeWhole(out, await encodeRaster(big));
      const seconds = (performance.now() - began) / 1000;
      const { width, height } = big;
      return {
        json: { picture: out, width, height, seconds },
        text: `${out}: ${width}×${height}, in ${seconds.toFixed(1)} s`,
      };
    } finally {
      await upscaler.release();
    }
  });
}
