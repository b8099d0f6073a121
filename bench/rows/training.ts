/** @file A whole training with `krona train`: four photos, 200 steps, from the program's start to its end. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { nodeOptions } from '../../core/own-program.ts';
import type { TrainResult } from '../../gpu-worker/training/train-options.ts';
import type { Context, Measured } from '../context.ts';
import { short } from '../report.ts';
import { makePhotos } from '../training-options.ts';

export async function measureTraining({ model, quick, folder }: Context): Promise<Measured> {
  const steps = quick ? 20 : 200;
  const photos = join(folder, 'photos');
  await makePhotos(photos);
  const words = {
    model,
    photos,
    subject: 'sks cat',
    steps: String(steps),
    out: join(folder, 'sks.safetensors'),
  };
  const options = Object.entries(words).flatMap(([name, value]) => [`--${name}`, value]);
  const program = fileURLToPath(new URL('../../cli/krona.ts', import.meta.url));
  const began = performance.now();
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...nodeOptions, program, 'train', '--json', ...options],
    { maxBuffer: 2 ** 26 },
  );
  const seconds = (performance.now() - began) / 1000;
  const { secondsPerStep, peakMemoryMiB } = JSON.parse(stdout) as TrainResult;
  const memory = (peakMemoryMiB * 2 ** 20) / 1e6;
  const what = `Training, 4 photos, ${steps} steps`;
  return {
    rows: [
      {
        what: `${what}: in all`,
        value: seconds,
        unit: 's',
        goal: { sign: '≤', value: 60 },
        detail: `\`krona train\` from start to end, photos of 12 megapixels; ${short(1000 * secondsPerStep)} ms a step`,
        raw: [seconds],
        rawUnit: 's',
      },
      {
        what: `${what}: peak memory`,
        value: memory,
        unit: 'MB',
        goal: { sign: '<', value: 1500 },
        detail: 'largest resident memory of the process',
        raw: [memory],
        rawUnit: 'MB',
      },
    ],
  };
}
