/**
 * @file Runs compiled programs with onnxruntime-node: the only file that imports it.
 * `run` blocks its thread until it is done and cannot be interrupted; see the worker's engine process for what follows.
 */
import * as ort from 'onnxruntime-node';
import { threadsWanted } from '../../core/environment.ts';
import type { Device } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import { compile, type Program } from './compile.ts';
import { currentDevice } from './device.ts';
import type { OnnxValue } from './onnx-model.ts';
import * as op from './ops.ts';
import type { DType, Shape } from './primitives.ts';
import { sizeOf } from './tensor.ts';

export type TensorData = Float32Array | BigInt64Array | Uint16Array;
export type Feeds = Readonly<Record<string, TensorData>>;

export interface SessionOptions {
  /** That of the process by default. */
  readonly device?: Device;
  /** Threads of one operator; 0 lets the runtime take every core. Default: KRONA_THREADS, or 0. */
  readonly threads?: number;
  /**
   * Read weights from their files' pages, as every session of the model shares them, instead of from copies in the order
   * that its products like best: slower by some percent, and without one copy for each way in which a weight is read,
   * of which training has two. False by default.
   */
  readonly mapWeights?: boolean;
  /** Where per-operator timings go (JSON, read by bench/); none by default. */
  readonly profilePrefix?: string;
}

const ARRAYS = {
  float32: Float32Array,
  int64: BigInt64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
} as const;

/** A program in memory, ready to run. */
export class Session {
  readonly #session: ort.InferenceSession;
  readonly #program: Program;

  private constructor(session: ort.InferenceSession, program: Program) {
    this.#session = session;
    this.#program = program;
  }

  /** @throws KronaError RUNTIME_LOAD when the runtime refuses the program */
  static async create(program: Program, options: SessionOptions = {}): Promise<Session> {
    try {
      const session = await ort.InferenceSession.create(program.bytes, {
        executionProviders: [options.device ?? currentDevice()],
        intraOpNumThreads: options.threads ?? threadsWanted(),
        graphOptimizationLevel: 'all',
        // The pattern planner keeps every buffer of a training graph apart: twice the peak for nothing.
        enableMemPattern: false,
        enableCpuMemArena: true,
        logSeverityLevel: 3,
        ...(options.profilePrefix ? { enableProfiling: true, profileFilePrefix: options.profilePrefix } : {}),
        extra: {
          session: {
            model_external_initializers_file_folder_path: program.weightsFolder,
            set_denormal_as_zero: '1',
            disable_prepacking: options.mapWeights ? '1' : '0',
          },
          // It would join `after` with a reshape behind it and lose the order that `after` is for.
          optimization: {
            disable_specified_optimizers: options.mapWeights
              ? 'ReshapeFusion;NchwcTransformer'
              : 'ReshapeFusion',
          },
        },
      });
      return new Session(session, program);
    } catch (cause) {
      throw new KronaError('RUNTIME_LOAD', `onnxruntime refused the program: ${(cause as Error).message}`, {
        cause,
      });
    }
  }

  /**
   * Runs once. Results are new arrays, or those of `into`, written in place, for the outputs that it names.
   * @throws KronaError RUNTIME_FEED when an input is missing, or an array has another size or type; RUNTIME_RUN when the run fails
   */
  async run(
    feeds: Feeds,
    into: Readonly<Record<string, TensorData>> = {},
  ): Promise<Record<string, TensorData>> {
    const inputs = Object.fromEntries(
      this.#program.inputs.map((value) => [value.name, bind('input', value, feeds[value.name])]),
    );
    const fetches = Object.fromEntries(
      this.#program.outputs.map((value) => [
        value.name,
        into[value.name] ? bind('output', value, into[value.name]) : null,
      ]),
    );
    try {
      const results = await this.#session.run(inputs, fetches);
      return Object.fromEntries(
        this.#program.outputs.map(({ name }) => [name, into[name] ?? (results[name]!.data as TensorData)]),
      );
    } catch (cause) {
      throw new KronaError('RUNTIME_RUN', `onnxruntime failed: ${(cause as Error).message}`, { cause });
    }
  }

  endProfiling(): void {
    this.#session.endProfiling();
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}

/** An array as the runtime's tensor, on the same memory. */
function bind(side: 'input' | 'output', { name, dtype, shape }: OnnxValue, data: TensorData | undefined) {
  const size = sizeOf(shape);
  if (data?.length !== size || !(data instanceof ARRAYS[dtype])) {
    const came = data ? `${data.constructor.name} of ${data.length}` : 'nothing';
    throw new KronaError(
      'RUNTIME_FEED',
      `${side} ${name} takes ${dtype}[${shape.join(',')}], a ${ARRAYS[dtype].name} of ${size}; got ${came}`,
    );
  }
  return tensorOf(dtype, data, shape);
}

function tensorOf(dtype: DType, data: TensorData, shape: Shape): ort.Tensor {
  if (dtype === 'float32') return new ort.Tensor('float32', data as Float32Array, shape);
  if (dtype === 'int64') return new ort.Tensor('int64', data as BigInt64Array, shape);
  return new ort.Tensor('float16', data as Uint16Array, shape);
}

/** Compiles nothing, keeps nothing: runs a program once. */
export async function runOnce(program: Program, feeds: Feeds): Promise<Record<string, TensorData>> {
  const session = await Session.create(program, { threads: 1 });
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

/** The reason why a session of one operator does not run on a device; null where it does. A trial for chooseDevice. */
export async function tryDevice(device: Device): Promise<string | null> {
  const backends = ort.listSupportedBackends().map(({ name }) => name);
  if (!backends.includes(device)) return `this build of onnxruntime has ${backends.join(', ')} only`;
  // What is not there is an answer here, not an error for the log.
  const { logLevel } = ort.env;
  ort.env.logLevel = 'fatal';
  try {
    const session = await Session.create(compile({ sum: op.add(op.input('x', [1]), 1) }), { device });
    await session.run({ x: new Float32Array(1) });
    await session.release();
    return null;
  } catch (error) {
    const { cause } = error as Error;
    // The runtime's messages begin with where in its source they come from, and name files of this machine.
    const message = cause instanceof Error ? cause.message : String(error);
    return message
      .replace(/^.*?(Failed|failed)/s, '$1')
      .replaceAll(/(?:\/[^\s/:]+)+\//g, '')
      .split('\n')[0]!
      .trim();
  } finally {
    if (logLevel !== undefined) ort.env.logLevel = logLevel;
  }
}
