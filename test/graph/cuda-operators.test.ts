/**
 * Every operator of every program has a CUDA kernel of its type, so that nothing goes back to the CPU between two of them;
 * and no shape is computed, for which the card would wait for the processor.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileFunction, type Program } from '../../gpu-worker/graph/compile.ts';
import { useDevice } from '../../gpu-worker/graph/device.ts';
import { DIALECTS } from '../../gpu-worker/graph/dialect.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { samplingPrograms, trainingPrograms } from '../helpers/model-graphs.ts';
import { operatorsOf, type UsedOperator } from '../helpers/read-onnx.ts';
import { openTiny } from '../helpers/sd-fixtures.ts';
import { CUDA_KERNELS } from './cuda-kernels.ts';

// Programs are only written here, and not run.
beforeAll(() => useDevice('cuda'));
afterAll(() => useDevice('cpu'));

/** Those that a program uses on a type for which there is no kernel. */
const withoutKernel = (used: readonly UsedOperator[]): string[] => [
  ...new Set(
    used
      .filter(({ operator, type }) => type.split('→').some((each) => !CUDA_KERNELS[operator]?.includes(each)))
      .map(({ operator, type }) => `${operator} of ${type}`),
  ),
];

const typesOf = (used: readonly UsedOperator[], operator: string): string[] => [
  ...new Set(used.filter((each) => each.operator === operator).map(({ type }) => type)),
];

describe.each(['sd15', 'sd21', 'sdxl', 'refiner'] as const)('%s', (name) => {
  it.each(name === 'sdxl' ? (['float16', 'float32'] as const) : (['float16'] as const))(
    'in %s',
    async (precision) => {
      const model = await openTiny(name, 'folder');
      const programs: [string, Program][] = [
        ...Object.entries(samplingPrograms(model, precision)),
        ...Object.entries(trainingPrograms(model, precision)).map(([what, make]): [string, Program] => [
          `training ${what}`,
          make(),
        ]),
      ];
      for (const [what, { bytes }] of programs) {
        const used = operatorsOf(bytes);
        expect(withoutKernel(used), what).toEqual([]);
        expect(
          used.filter(({ waitsForHost }) => waitsForHost),
          what,
        ).toEqual([]);
        // Where the time goes, the narrow type is used, also by norms, whose kernels add up in 32 bits; sums stay wide.
        for (const operator of [
          'Conv',
          'Gemm',
          'MatMul',
          'com.microsoft.FusedMatMul',
          'com.microsoft.MultiHeadAttention',
          'InstanceNormalization',
          'LayerNormalization',
          'Softmax',
        ])
          expect([[], [precision]], `${what}: ${operator}`).toContainEqual(typesOf(used, operator));
        // But for the sum in softmax's gradient, which is a mean, as far as one operator says so.
        const training = what.startsWith('training');
        for (const operator of ['ReduceMean', 'Sin', ...(training ? [] : ['ReduceSum'])])
          expect([[], ['float32']], `${what}: ${operator}`).toContainEqual(typesOf(used, operator));
      }
      // Forward attention is the operator that has flash attention in 16 bits.
      const unet = operatorsOf(programs.find(([what]) => what === 'unet')![1].bytes);
      expect(typesOf(unet, 'com.microsoft.MultiHeadAttention')).toEqual([precision]);
      expect(typesOf(unet, 'Softmax')).toEqual([]);
    },
  );
});

it('an operator without a kernel is found', () => {
  const used = [
    { operator: 'Conv', type: 'bfloat16', source: 'x', waitsForHost: false },
    { operator: 'Cast', type: 'float32→float16', source: 'x', waitsForHost: false },
    { operator: 'Hardmax', type: 'float32', source: 'x', waitsForHost: false },
  ];
  expect(withoutKernel(used)).toEqual(['Conv of bfloat16', 'Hardmax of float32']);
});

it.each([
  ['host', true],
  ['device', false],
] as const)('`after` that waits on the %s makes the card wait for the processor: %s', (order, waits) => {
  const { bytes } = compileFunction(
    { x: [4], y: [4] },
    ({ x, y }) => ({ z: op.exp(op.after(x, [op.tanh(y)])) }),
    { dialect: { ...DIALECTS.cuda, order } },
  );
  expect(operatorsOf(bytes).some(({ waitsForHost }) => waitsForHost)).toBe(waits);
});
