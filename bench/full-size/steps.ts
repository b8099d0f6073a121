/** @file The input and output of a full-size step, the same for Krona and for diffusers. */
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
  /** File written by `writeInputs`. */
  readonly inputs: string;
  /** Output file of the first step's result: the prediction, or the loss. */
  readonly output: string;
  readonly threads: number;
  /** torch's name of the rival's dtype. */
  readonly dtype?: string;
  /** Timed steps, after one untimed step. */
  readonly repeats: number;
  /** Folder for the runtime's profile. */
  readonly profile?: string;
}

export interface StepResult {
  /** Seconds from the open folder to the start of the first step. */
  readonly opened: number;
  /** The first step, seconds. */
  readonly first: number;
  readonly seconds: readonly number[];
  /** User and system time of all threads in each of these steps, seconds. */
  readonly processor: readonly number[];
  /** Largest resident memory of the process, bytes. */
  readonly peak: number;
  /** Bytes that the process wrote to disk until the end of the first step, including the model check; ours only. */
  readonly written?: number;
}

/** Two rows of all inputs of a UNet and its loss at 512×512; a training step uses the first row. */
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
    // As if noise were half of the variance.
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
