/** What the worker compiles, on WebGPU: the values of the CPU, and nothing that goes back to it in between. */
import { beforeAll, describe, expect, it } from 'vitest';
import { useDevice } from '../../gpu-worker/graph/device.ts';
import { examine } from '../../gpu-worker/graph/device-trial.ts';
import { DIALECTS, type Dialect } from '../../gpu-worker/graph/dialect.ts';
import { compileFunction, type Program } from '../../gpu-worker/graph/compile.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { compareWithCpu } from '../helpers/on-device.ts';
import { samplingPrograms, trainingPrograms } from '../helpers/model-graphs.ts';
import { openTiny } from '../helpers/sd-fixtures.ts';
import { useSwiftShader } from '../helpers/swiftshader.ts';
import { someOf } from '../helpers/variations.ts';

/** ‖found − expected‖ / ‖expected‖. */
const EXACT = 1e-4;

let dialect: Dialect;
beforeAll(async () => {
  useSwiftShader();
  const findings = await examine('webgpu');
  if (!findings.works) throw new Error(findings.reason);
  ({ dialect } = findings);
});

describe('the trial of the device', () => {
  it('finds the operators that this device gets wrong', () => {
    expect(dialect).toEqual({
      ...DIALECTS.webgpu,
      drawing: 'float32',
      fusedAttention: false,
      fusedLayerNorm: false,
      exactSine: false,
    });
  });
});

/** The program agrees with the CPU, and every node ran on the device. */
async function agrees(make: () => Program): Promise<void> {
  const { error, operators } = await compareWithCpu(make, 'webgpu', dialect);
  expect(error).toBeLessThan(EXACT);
  expect(Object.keys(operators)).toEqual(['WebGpu']);
  expect(operators['WebGpu']).not.toContain('MemcpyToHost');
}

const lone = {
  'attention of 64 queries and 77 keys': () =>
    compileFunction({ q: [2, 64, 64], k: [2, 77, 64], v: [2, 77, 64] }, ({ q, k, v }) => ({
      y: op.attention(q, k, v, 2, 0.2),
    })),
  'a convolution of 9 channels': () =>
    compileFunction({ x: [2, 9, 16, 16], w: [8, 9, 3, 3], b: [8] }, ({ x, w, b }) => ({
      y: op.conv2d(x, w, b, 1, 1),
    })),
  'sines and cosines of large and small angles': () =>
    compileFunction({ x: [4096] }, ({ x }) => ({
      large: op.add(op.sin(op.mul(x, 400)), op.cos(op.mul(x, 300))),
      small: op.sub(op.sin(x), op.cos(x)),
    })),
  'a layer normalization far from zero': () =>
    compileFunction({ x: [8, 320], one: [320] }, ({ x, one }) => ({
      y: op.layerNorm(op.add(x, 50), one, one, 1e-5),
    })),
};
it.each(Object.entries(lone))('%s', (_name, make) => agrees(make));

/** The plain gradient of krona has no operator that the recomputed one or LoRA's lacks. */
const TRAINING = [
  ['sdxl', 'krona, recomputed'],
  ['sdxl', 'lora'],
  ['sd15', 'krona, recomputed'],
] as const;
/** SD's parts differ from SDXL's in sizes and in projections that are convolutions. */
const DRAWING = [
  ['sdxl', 'text_encoder_2'],
  ['sdxl', 'unet'],
  ['sdxl', 'encoder'],
  ['sdxl', 'decoder'],
  ['sd15', 'unet'],
  ['sdxl', 'text_encoder'],
] as const;

it.each(someOf(DRAWING, 4))('the tiny %s: %s', async (name, part) => {
  const model = await openTiny(name, 'folder');
  await agrees(() => samplingPrograms(model, 'float32')[part]!);
});

it.each(someOf(TRAINING))('the tiny %s: gradient of %s', async (name, what) => {
  const model = await openTiny(name, 'folder');
  await agrees(() => trainingPrograms(model, 'float32')[what]!());
});

it('parts of attention that run one after the other give the whole', async () => {
  const make = () =>
    compileFunction({ q: [1, 70, 32], k: [1, 33, 32], v: [1, 33, 32] }, ({ q, k, v }) => ({
      y: op.attention(q, k, v, 4, 0.3),
    }));
  const { error } = await compareWithCpu(make, 'webgpu', { ...dialect, attentionPart: 1000 });
  expect(error).toBeLessThan(EXACT);
  useDevice('cpu');
});
