/** @file Weights rounded to 8-bit integers and back; everything is computed in float32. */
import { at } from '../../core/at.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { sizeOf } from '../../gpu-worker/graph/tensor.ts';
import { frozenParameters, type ModelTensor, type Parameters } from '../../gpu-worker/models/parameters.ts';
import { readFloats } from '../../gpu-worker/models/safetensors.ts';

/** The values that share a scale: a whole tensor, or one output channel. */
export type Scales = 'tensor' | 'channel';

/** Symmetric, from −127 to 127 times the scale: rounds the matrices and filters of a model except the `kept` ones. */
export async function roundedParameters(
  component: string,
  tensors: ReadonlyMap<string, ModelTensor>,
  scales: Scales,
  kept: (name: string) => boolean,
): Promise<Parameters> {
  const frozen = frozenParameters(component, tensors);
  const rounded = new Map<string, Float32Array>();
  for (const [name, tensor] of tensors) {
    if (tensor.shape.length < 2 || kept(name)) continue;
    if (tensor.transposed)
      throw new Error(`${name} is stored transposed, so its rows aren't output channels`);
    const rows = scales === 'channel' ? at(tensor.shape, 0) : 1;
    rounded.set(name, roundRows(await readFloats(tensor), sizeOf(tensor.shape) / rows));
  }
  return {
    tensor(name, shape) {
      const values = rounded.get(name);
      return values ? op.constant(values, shape) : frozen.tensor(name, shape);
    },
  };
}

function roundRows(values: Float32Array, length: number): Float32Array {
  const rounded = new Float32Array(values.length);
  for (let start = 0; start < values.length; start += length) {
    const row = values.subarray(start, start + length);
    const scale = row.reduce((most, x) => Math.max(most, Math.abs(x)), 0) / 127 || 1;
    rounded.set(
      row.map((x) => Math.round(x / scale) * scale),
      start,
    );
  }
  return rounded;
}
