/** Programs for cards, which save operators: the same values from far fewer. They are run on the CPU, which has the operators too. */
import { afterEach, describe, expect, it } from 'vitest';
import { adapterLayout, withAdapter } from '../../gpu-worker/adapters/adapter.ts';
import { KroneckerShape } from '../../gpu-worker/adapters/forms/kronecker.ts';
import { wideFactors } from '../../gpu-worker/adapters/wide-factors.ts';
import { checkpoint, gradients } from '../../gpu-worker/graph/gradients.ts';
import { ADAPTER_METHODS } from '../../gpu-worker/adapters/methods.ts';
import { adapterInputs } from '../../gpu-worker/adapters/adapter-inputs.ts';
import { compileFunction, onnxModel, type Program } from '../../gpu-worker/graph/compile.ts';
import { useDevice } from '../../gpu-worker/graph/device.ts';
import { DIALECTS } from '../../gpu-worker/graph/dialect.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { relativeError } from '../../gpu-worker/graph/relative-error.ts';
import { runOnce } from '../../gpu-worker/graph/runtime.ts';
import { sizeOf, type Tensor } from '../../gpu-worker/graph/tensor.ts';
import { frozenParameters, type Parameters } from '../../gpu-worker/models/parameters.ts';
import { publishedModel } from '../../gpu-worker/models/published-model.ts';
import { unet, unetInputs } from '../../gpu-worker/models/unet.ts';
import { adapterOutputs } from '../../gpu-worker/training/adapter-graph.ts';
import { noiseSchedule } from '../../gpu-worker/training/noise-schedule.ts';
import { samplingPrograms, trainingPrograms } from '../helpers/model-graphs.ts';
import { randomInputs } from '../../cli/device-check/random-inputs.ts';
import { operatorsOf } from '../helpers/read-onnx.ts';
import { openTiny } from '../helpers/sd-fixtures.ts';

afterEach(() => useDevice('cpu'));

/** In 32 bits, with layer by layer as on a card. */
const inDialect = <T>(device: 'cpu' | 'cuda', make: () => T): T => {
  useDevice('cpu', DIALECTS[device]);
  return make();
};

it.each([
  ['sdxl', ['krona, recomputed', 'lora']],
  ['sd15', ['krona, recomputed']],
] as const)(
  '%s: decoding and training by %s have the values of the plain programs',
  async (name, methods) => {
    const model = await openTiny(name, 'folder');
    const programs = (): [string, Program][] => {
      const training = trainingPrograms(model, 'float32');
      return [
        ['decoder', samplingPrograms(model, 'float32')['decoder']!],
        ...methods.map((what): [string, Program] => [what, training[what]!()]),
      ];
    };
    const [plain, saving] = [inDialect('cpu', programs), inDialect('cuda', programs)];
    for (const [i, [what, program]] of plain.entries()) {
      const feeds = randomInputs(program);
      const [expected, found] = [await runOnce(program, feeds), await runOnce(saving[i]![1], feeds)];
      for (const [output, values] of Object.entries(expected))
        expect(relativeError(found[output], values), `${what}: ${output}`).toBeLessThan(1e-4);
    }
  },
  120_000,
);

describe('what is written', () => {
  /** Operators of a program of x [2,6,4] and others, for a card. */
  const operators = (build: (x: Tensor) => Tensor): string[] =>
    onnxModel({ y: build(op.input('x', [2, 6, 4])) }, { dialect: DIALECTS.cuda })
      .nodes.map(({ type }) => type)
      .filter((type) => type !== 'Identity');
  const w = op.input('w', [4, 4]);

  it('layers after each other, without a reshape between them', () =>
    expect(operators((x) => op.linear(op.gelu(op.linear(x, w, op.input('b', [4]))), w))).toEqual([
      'FusedMatMul',
      'Add',
      'Gelu',
      'FusedMatMul',
    ]));

  it('a product of a transposed batch, read in place', () =>
    expect(operators((x) => op.matmul(op.swap(x), op.matmul(x, w)))).toEqual(['MatMul', 'FusedMatMul']));

  it('sums of several tensors in one operator, of eight at most', () => {
    const several = (count: number) => (x: Tensor) =>
      Array.from({ length: count }, (_, i) => op.input(`x${i}`, [2, 6, 4])).reduce(
        (sum, each) => op.add(sum, each),
        x,
      );
    expect(operators(several(7))).toEqual(['Sum']);
    expect(operators(several(8))).toEqual(['Sum', 'Add']);
    // What is between is used elsewhere, too.
    expect(
      operators((x) => {
        const between = op.add(op.add(x, op.input('a', [2, 6, 4])), op.input('b', [2, 6, 4]));
        return op.add(op.add(between, op.input('c', [2, 6, 4])), op.exp(between));
      }),
    ).toEqual(['Sum', 'Exp', 'Sum']);
  });

  it('one transpose for a tensor that products read both ways', () =>
    expect(
      operators((x) => {
        const heads = op.splitHeads(x, 2);
        return op.matmul(op.scaledMatmul(heads, op.swap(heads), 0.5), heads);
      }).filter((type) => type !== 'Reshape'),
    ).toEqual(['Transpose', 'FusedMatMul', 'MatMul']));

  it('a recomputed block that keeps a sum of products, and waits in one place', () => {
    const [big, bias] = [op.input('big', [1280, 1280]), op.input('bias', [1280])];
    const [loss, x] = ((y: Tensor) => [op.sumOfSquares(op.exp(block(y))), y] as const)(
      op.input('x', [4, 1280]),
    );
    function block(y: Tensor): Tensor {
      return checkpoint(() => op.add(op.gelu(op.add(op.matmul(op.gelu(y), big), bias)), y));
    }
    const { nodes } = inDialect('cuda', () =>
      onnxModel({ dx: gradients(loss, [x])[0] }, { dialect: DIALECTS.cuda }),
    );
    const count = (type: string) => nodes.filter((node) => node.type === type).length;
    // One product forward and one backward: none again. Waiting are the sum with the bias, and x.
    expect(count('MatMul') + count('Gemm')).toBe(2);
    const waiting = nodes.filter(
      ({ type, inputs }) => type === 'Add' && inputs.some((name) => name.startsWith('Concat')),
    );
    expect(waiting.length).toBeLessThanOrEqual(2);
  });

  it('a transpose that somebody else reads', () =>
    expect(operators((x) => op.add(op.sum(op.matmul(op.swap(x), x)), op.sum(op.swap(x))))).toContain(
      'Transpose',
    ));

  it.each<[string, readonly (readonly [number, number])[], string[]]>([
    [
      'whole, in one operator',
      [
        [0, 1],
        [1, 4],
        [4, 6],
      ],
      ['Split', 'Concat'],
    ],
    [
      'in any order',
      [
        [4, 6],
        [0, 4],
      ],
      ['Split', 'Concat'],
    ],
    [
      'with a gap, one by one',
      [
        [0, 1],
        [2, 6],
      ],
      ['Slice', 'Slice', 'Concat'],
    ],
    [
      'with an overlap, one by one',
      [
        [0, 4],
        [2, 6],
      ],
      ['Slice', 'Slice', 'Concat'],
    ],
    [
      'not to the end, one by one',
      [
        [0, 1],
        [1, 4],
      ],
      ['Slice', 'Slice', 'Concat'],
    ],
  ])('an input cut up %s', async (_, ranges, expected) => {
    const build = (x: Tensor): Tensor =>
      op.concat(
        ranges.map(([from, to]) => op.slice(x, 1, from, to)),
        1,
      );
    expect(operators(build)).toEqual(expected);
    const run = (device: 'cpu' | 'cuda') => {
      const program = compileFunction({ x: [2, 6, 4] }, ({ x }) => ({ y: build(x) }), {
        dialect: DIALECTS[device],
      });
      return runOnce(program, { x: Float32Array.from({ length: 48 }, (_, i) => i) });
    };
    expect((await run('cuda')).y).toEqual((await run('cpu')).y);
  });

  it('an input of which many parts are read, in one operator', async () => {
    const starts = Array.from({ length: 8 }, (_, i) => 3 * i + 1);
    const build = (x: Tensor): Tensor =>
      op.concat(
        starts.map((from) => op.slice(x, 0, from, from + 2)),
        0,
      );
    const outputs = { y: build(op.input('x', [25])) };
    expect(onnxModel(outputs, { dialect: DIALECTS.cuda }).nodes.map(({ type }) => type)).toEqual([
      'Split',
      'Concat',
      'Identity',
    ]);
    const program = compileFunction({ x: [25] }, ({ x }) => ({ y: build(x) }), { dialect: DIALECTS.cuda });
    const { y } = await runOnce(program, { x: Float32Array.from({ length: 25 }, (_, i) => i) });
    expect([...y]).toEqual(starts.flatMap((from) => [from, from + 1]));
  });
});

describe('Kronecker layers in training', () => {
  const sides = { a1: 4, a2: 64, b1: 80, b2: 5 };
  const shapes = new Map([
    ['first', new KroneckerShape(sides)],
    ['second', new KroneckerShape(sides)],
    ['third', new KroneckerShape({ ...sides, b2: 8 })],
  ]);
  const layout = adapterLayout(shapes);
  const input = { parameters: [layout.length], x: [2, 3, 320] } as const;

  /** The gradient through layers after each other, as adapter-graph.ts takes it. */
  const program = (device: 'cpu' | 'cuda'): Program =>
    inDialect(device, () =>
      compileFunction(input, ({ parameters, x }) => {
        const trained = layout.split(parameters);
        const wide = device === 'cuda' ? wideFactors(shapes, trained) : new Map<string, Tensor>();
        const base: Parameters = {
          tensor: (_, shape) => op.constant(new Float32Array(sizeOf(shape)), shape),
        };
        const p = withAdapter(base, shapes, trained, op.scalar(0.5), '', undefined, wide);
        const through = (path: string, y: Tensor): Tensor =>
          op.add(y, p.adapt?.(path, path === 'third' ? op.concat([y, op.slice(y, 2, 0, 192)], 2) : y) ?? y);
        const y = checkpoint(() => [...shapes.keys()].reduce((h, path) => through(path, h), x));
        const all = gradients(op.sumOfSquares(y), [...trained.values(), ...wide.values()]);
        return { y, gradient: layout.join(all.slice(0, trained.size)) };
      }),
    );

  it('have the same values and gradients with wide factors', async () => {
    const [plain, wide] = [program('cpu'), program('cuda')];
    const feeds = randomInputs(plain);
    const [expected, found] = [await runOnce(plain, feeds), await runOnce(wide, feeds)];
    for (const [name, values] of Object.entries(expected))
      expect(relativeError(found[name], values), name).toBeLessThan(1e-5);
  });

  it('transpose nothing with wide factors but these themselves', () => {
    const count = (device: 'cpu' | 'cuda'): number =>
      operatorsOf(program(device).bytes).filter(({ operator }) => operator === 'Transpose').length;
    expect(count('cpu')).toBeGreaterThan(12);
    // One for the two alike and one for the third, and as many in the gradient.
    expect(count('cuda')).toBe(4);
  });
});

// Of SDXL at 1024², where each operator is a launch or more. docs/gpu.md has the numbers.
describe('SDXL on a card', () => {
  const model = publishedModel('sdxl', '/weights.safetensors');
  const shapes = ADAPTER_METHODS.krona.shapes(model, { a1: 4, a2: 64 });
  const nodes = (outputs: Readonly<Record<string, Tensor>>): number =>
    onnxModel(outputs, { precision: 'float16' }).nodes.length;

  it('has fewer than 27,000 operators in a training step', () => {
    useDevice('cuda');
    const shape = {
      batch: 1,
      width: 1024,
      height: 1024,
      tokens: 77,
      checkpointing: true,
      precision: 'float16',
    } as const;
    expect(nodes({ ...adapterOutputs(model, shapes, noiseSchedule(model.scheduler), shape) })).toBeLessThan(
      27_000,
    );
  });

  it('has fewer than 2,600 in a sampling step, and 3,800 with an adapter', () => {
    useDevice('cuda');
    const { config, tensors, name } = model.unet;
    const inputs = unetInputs(config, 2, 128, 128, 77);
    const parameters = frozenParameters(name, tensors);
    expect(nodes({ prediction: unet(config, parameters, inputs) })).toBeLessThan(2_600);
    expect(nodes({ prediction: unet(config, adapterInputs([shapes])(parameters, ''), inputs) })).toBeLessThan(
      3_800,
    );
  });
});
