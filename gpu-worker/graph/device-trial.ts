/**
 * @file The trial of a device: small programs, whose results are compared with the CPU's. Drivers, shader compilers and
 * missing libraries all show here, before somebody waits for a picture that is noise.
 */
import type { Device } from '../../core/config.ts';
import { compileFunction, type CompileOptions, type Feeds, type Program } from './compile.ts';
import { openCudaLibraries } from './cuda-libraries.ts';
import type { DeviceTrials, Findings } from './device.ts';
import { DIALECTS, type Dialect } from './dialect.ts';
import { messageOf } from './errors.ts';
import * as op from './ops.ts';
import { relativeError } from './relative-error.ts';
import { freeMemory } from './room.ts';
import { backends, quietly, runOnce, Session } from './runtime.ts';
import { sizeOf } from './shapes.ts';
import type { Tensor } from './tensor.ts';

type Shapes = Readonly<Record<string, readonly number[]>>;

/** A program of one output, whose inputs are random, around `mean`. */
interface Probe {
  readonly name: string;
  readonly inputs: Shapes;
  readonly mean?: number;
  build(inputs: Readonly<Record<string, Tensor>>): Tensor;
}

const probe = <S extends Shapes>(
  name: string,
  inputs: S,
  build: (inputs: { readonly [Name in keyof S]: Tensor }) => Tensor,
  mean = 0,
): Probe => ({ name, inputs, mean, build: (given) => build(given as { [Name in keyof S]: Tensor }) });

/** What no program can do without. */
const BASICS: readonly Probe[] = [
  probe('MatMul', { a: [64, 77], b: [77, 96] }, ({ a, b }) => op.matmul(a, b)),
  probe('Conv', { x: [1, 9, 16, 16], w: [8, 9, 3, 3] }, ({ x, w }) => op.conv2d(x, w, undefined, 1, 1)),
  probe('InstanceNormalization', { x: [1, 8, 16, 16], one: [8] }, ({ x, one }) =>
    op.groupNorm(x, one, one, 4, 1e-5),
  ),
  probe('Softmax', { x: [64, 77] }, ({ x }) => op.softmax(x)),
];
const attention = (queries: number, keys: number): Probe =>
  probe('attention', { q: [1, queries, 64], k: [1, keys, 64], v: [1, keys, 64] }, ({ q, k, v }) =>
    op.attention(q, k, v, 2, 32 ** -0.5),
  );
/** Faults were seen from 32 queries, and from more keys than a subgroup has threads. */
const ATTENTION = [attention(64, 77), attention(32, 4096)];
/** Faults were seen where the mean is large beside the deviation. */
const LAYER_NORM = probe(
  'LayerNormalization',
  { x: [32, 320], one: [320] },
  ({ x, one }) => op.layerNorm(x, one, one, 1e-5),
  30,
);
/** What adds up 16-bit values in 32 bits. */
const SUMS: readonly Probe[] = [
  probe('LayerNormalization', LAYER_NORM.inputs, (inputs) => LAYER_NORM.build(inputs), 3),
  ...BASICS.filter(({ name }) => name !== 'MatMul' && name !== 'Conv'),
  probe('ReduceSum', { y: [8, 4096], dy: [8, 4096] }, ({ y, dy }) => op.softmaxGrad(op.softmax(y), dy)),
  probe('LayerNormalization, backward', { x: [32, 320], g: [32, 320] }, ({ x, g }) =>
    op.layerNormGrad(x, g, 1e-5),
  ),
];
/** Batches whose operands are read transposed. */
const BATCHES = probe('FusedMatMul', { a: [16, 64, 10], b: [8, 64], c: [16, 4, 10] }, ({ a, b, c }) =>
  op.matmul(op.swap(op.matmul(op.swap(a), op.swap(b))), op.swap(c)),
);
/** Angles of timesteps. Errors were seen everywhere. */
const SINE = probe('Sin', { x: [1024] }, ({ x }) => op.add(op.sin(op.mul(x, 1000)), op.cos(op.mul(x, 1000))));
/** Faults were seen in long sums of numbers of one sign. */
const LONG_PRODUCT = probe('MatMul', { a: [8, 5120], b: [5120, 8] }, ({ a, b }) => op.matmul(a, b), 1);

/** Largest relative error of 32-bit programs. CUDA computes fp32 products in TF32, with 10 bits, by default. */
const ACCURATE = 2e-3;
/** Of operators without products. */
const EXACT = 5e-5;
/** Of 16-bit programs. */
const ACCURATE_HALF = 5e-3;

/** Tries devices of this machine. */
export const deviceTrials: DeviceTrials = { examine, isFast };

/** Runs small programs on a device. One that gives wrong results in what no program can do without doesn't work. */
export async function examine(device: Device): Promise<Findings> {
  if (!backends().includes(device))
    return { works: false, reason: `this build of onnxruntime has ${backends().join(', ')} only` };
  if (device === 'cpu') return { works: true, dialect: DIALECTS.cpu, remarks: [] };
  const missing = missingLibrary(device);
  if (missing !== null) return { works: false, reason: missing };
  // A missing device is an answer here, not an error for the log.
  return quietly(async () => {
    try {
      for (const each of BASICS) {
        const error = await errorOf(each, device, 'float32');
        if (!(error < ACCURATE)) return { works: false, reason: `${each.name} is off by ${percent(error)}` };
      }
    } catch (error) {
      return { works: false, reason: reasonOf(error) };
    }
    const memory = await freeMemory(device);
    return { works: true, ...(await dialectOf(device)), ...(memory !== null && { memory }) };
  });
}

/** What a device needs beside the runtime. Without Vulkan the runtime prints a warning that cannot be turned off. */
function missingLibrary(device: Device): string | null {
  if (device === 'cuda') return openCudaLibraries();
  if (device !== 'webgpu' || process.platform !== 'linux') return null;
  try {
    process.dlopen({ exports: {} }, 'libvulkan.so.1');
  } catch (error) {
    // Node found it: it complains that a library is not one of its modules.
    if (!messageOf(error).includes('self-register')) return 'libvulkan.so.1 is missing';
  }
  return null;
}

/** The best dialect of the device's kind, without what this device gets wrong. */
async function dialectOf(device: Device): Promise<{ dialect: Dialect; remarks: string[] }> {
  const best = DIALECTS[device];
  const remarks: string[] = [];
  const passes = async (
    probes: readonly Probe[],
    precision: Dialect['drawing'],
    most: number,
    remark: string,
  ) => {
    const errors = await Promise.all(probes.map((each) => errorOf(each, device, precision).catch(() => NaN)));
    const worst = Math.max(...errors);
    if (worst < most) return true;
    remarks.push(Number.isNaN(worst) ? remark : `${remark} (off by ${percent(worst)})`);
    return false;
  };
  const half =
    best.drawing === 'float32' ||
    (await passes([LONG_PRODUCT, ...BASICS], 'float16', ACCURATE_HALF, 'its 16-bit products are not used'));
  const drawing = half ? best.drawing : 'float32';
  const training = half ? best.training : 'float32';
  const most = drawing === 'float16' ? ACCURATE_HALF : ACCURATE;
  const fusedAttention = await passes(ATTENTION, drawing, most, 'its attention operator is not used');
  const fusedLayerNorm = await passes([LAYER_NORM], 'float32', EXACT, 'its layer normalization is not used');
  const wideSums =
    best.wideSums && (await passes(SUMS, drawing, most, 'its norms of 16-bit numbers are not used'));
  const fewLaunches =
    best.fewLaunches && (await passes([BATCHES], drawing, most, 'its products of batches are not used'));
  const exactSine = await passes([SINE], 'float32', EXACT, 'its sine is not used');
  return {
    dialect: { ...best, training, drawing, fusedAttention, fusedLayerNorm, wideSums, fewLaunches, exactSine },
    remarks,
  };
}

/** A device in software takes hundreds of times the CPU's time for the small product, and is not asked for the large. */
async function isFast(device: Device): Promise<boolean> {
  if ((await secondsOf(device, 256, 1)) > 50 * (await secondsOf('cpu', 256, 1))) return false;
  return (await secondsOf(device, 1024, 10)) < (await secondsOf('cpu', 1024, 10));
}

/** Operations per second of a device in a product of 1,024 × 1,024 numbers, of 256 × 256 where it is slow. */
export async function productRate(device: Device): Promise<number> {
  const small = (2 * 256 ** 3) / (await secondsOf(device, 256, 1));
  return small < 1e10 ? small : (10 * 2 * 1024 ** 3) / (await secondsOf(device, 1024, 10));
}

/** Seconds of the second run of `count` products of square matrices, one after the other. */
async function secondsOf(device: Device, side: number, count: number): Promise<number> {
  const program = compileFunction({ x: [side, side], w: [side, side] }, ({ x, w }) => {
    let y = x;
    for (let i = 0; i < count; i++) y = op.matmul(y, w);
    return { sum: op.sum(y) };
  });
  const session = await Session.create(program, { device });
  try {
    const feeds = { x: new Float32Array(side * side), w: new Float32Array(side * side) };
    await session.run(feeds);
    const start = performance.now();
    await session.run(feeds);
    return (performance.now() - start) / 1000;
  } finally {
    await session.release();
  }
}

/** ‖found − expected‖ / ‖expected‖ of a probe on a device. @throws KronaError where the program does not run there */
async function errorOf(each: Probe, device: Device, precision: Dialect['drawing']): Promise<number> {
  const feeds = feedsOf(each);
  const expected = await run(each, feeds, 'cpu', { precision: 'float32', dialect: DIALECTS.cpu });
  const found = await run(each, feeds, device, { precision, dialect: DIALECTS[device] });
  return relativeError(found, expected);
}

async function run(
  each: Probe,
  feeds: Feeds,
  device: Device,
  options: CompileOptions,
): Promise<Float32Array> {
  const program: Program<{ y: Float32Array }> = compileFunction(
    each.inputs,
    (inputs) => ({ y: each.build(inputs) }),
    options,
  );
  return (await runOnce(program, feeds, { device })).y;
}

/** The same numbers each time: a small multiplicative generator, as noise need not be good here. */
function feedsOf({ inputs, mean = 0 }: Probe): Feeds {
  let state = 1;
  const next = () => {
    state = (state * 48_271) % 2_147_483_647;
    return mean + (state / 2_147_483_647 - 0.5) * 2;
  };
  return Object.fromEntries(
    Object.entries(inputs).map(([name, shape]) => [name, Float32Array.from({ length: sizeOf(shape) }, next)]),
  );
}

const percent = (error: number): string =>
  Number.isNaN(error) ? 'NaN' : `${Number((100 * error).toPrecision(2))}%`;

/** The runtime's messages start with a source location, and name files of this machine and the machine itself. */
const reasonOf = (error: unknown): string =>
  messageOf(error instanceof Error && error.cause ? error.cause : error)
    .replace(/^.*?(Failed|failed)/s, '$1')
    .replace(/^.*?(\w+ failure \d+: [^;]*?) ;.*$/s, '$1')
    .replaceAll(/(?:\/[^\s/:]+)+\//g, '')
    .replace(/\n.*/s, '')
    .trim();
