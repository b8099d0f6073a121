/** @file What a step at full size is given, and what it gives back; ours and a rival's alike. */
import { sizeOf } from '../../gpu-worker/graph/tensor.ts';
import { writeSafetensors, type TensorToWrite } from '../../gpu-worker/models/safetensors.ts';
import { KeyedRandom } from '../../core/random.ts';
import type { ModelName } from './random-model.ts';

export const KINDS = ['sampling', 'training'] as const;
export type StepKind = (typeof KINDS)[number];

export interface StepRequest {
  /** Folder. */
  readonly model: string;
  readonly kind: StepKind;
  /** File of `writeInputs`. */
  readonly inputs: string;
  /** Where the first step's result goes: the prediction, or the loss. */
  readonly output: string;
  readonly threads: number;
  /** torch's name of what a rival computes in. */
  readonly dtype?: string;
  /** Steps that are timed, after one that is not. */
  readonly repeats: number;
  /** A folder for the runtime's profile. */
  readonly profile?: string;
}

export interface StepResult {
  /** From the open folder to the first step, seconds. */
  readonly opened: number;
  /** The first step, seconds. */
  readonly first: number;
  readonly seconds: readonly number[];
  /** User and system time of all threads in each of those steps, seconds. */
  readonly processor: readonly number[];
  /** Largest resident memory of the process, bytes. */
  readonly peak: number;
  /** Bytes that the process wrote to disk until the end of the first step, the check of the model included; ours only. */
  readonly written?: number;
}

/** Two rows of everything that a UNet and its loss read at 512×512; a training step takes the first row. */
export async function writeInputs(name: ModelName, path: string): Promise<void> {
  const text = { sd15: 768, sdxl: 2048 }[name];
  const normal: Record<string, number[]> = {
    latents: [2, 4, 64, 64],
    encoder_hidden_states: [2, 77, text],
    clean_latents: [1, 4, 64, 64],
    noise: [1, 4, 64, 64],
    ...(name === 'sdxl' ? { text_embeds: [2, 1280] } : {}),
  };
  const size = [512, 512, 0, 0, 512, 512];
  const fixed: Record<string, number[]> = {
    timesteps: [500, 500],
    // As if half of the variance were noise.
    signal: [Math.SQRT1_2],
    sigma: [Math.SQRT1_2],
  };
  const tensor = (shape: number[], data: Float32Array): TensorToWrite => ({ dtype: 'F32', shape, data });
  const tensors = new Map([
    ...Object.entries(normal).map(([key, shape], i) => {
      const data = new KeyedRandom(0, 'full size', i).normals(sizeOf(shape));
      return [key, tensor(shape, data)] as const;
    }),
    ...Object.entries(fixed).map(([key, values]) => {
      return [key, tensor([values.length], Float32Array.from(values))] as const;
    }),
  ]);
  if (name === 'sdxl') tensors.set('time_ids', tensor([2, 6], Float32Array.from([...size, ...size])));
  await writeSafetensors(path, tensors);
}
