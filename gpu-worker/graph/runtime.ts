/**
 * @file Runs compiled programs with onnxruntime-node; no other file imports it. `run` blocks its thread and can't be
 * interrupted, so the worker computes in an engine process.
 */
import * as ort from 'onnxruntime-node';
import { formsFolder, threadsWanted } from '../../core/environment.ts';
import type { Device } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import type { Feeds, Program, Results, TensorData } from './compile.ts';
import { currentDevice } from './device.ts';
import { messageOf } from './errors.ts';
import { KeptForm } from './kept-forms.ts';
import type { OnnxValue } from './onnx-model.ts';
import { outOfMemory } from './out-of-memory.ts';
import { showShape, sizeOf } from './shapes.ts';

export type { Feeds, Results, TensorData } from './compile.ts';

export interface SessionOptions {
  /** The process's device by default. */
  readonly device?: Device;
  /** Threads of one operator; 0 for all cores. Default: KRONA_THREADS, or 0. */
  readonly threads?: number;
  /**
   * Read weights from their mapped files, which all sessions of a model share, instead of packed copies. This is a few
   * percent slower and saves one copy for each way of reading a weight; training has two. False by default.
   */
  readonly mapWeights?: boolean;
  /** Path prefix of a file with the time of each operator (JSON, read by bench/); none by default. */
  readonly profilePrefix?: string;
}

const ARRAYS = {
  float32: Float32Array,
  int64: BigInt64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
} as const;

/** A program in memory, ready to run. */
export class Session<Out extends Results = Results, In extends Feeds = Feeds> {
  readonly #session: ort.InferenceSession;
  readonly #program: Program<Out, In>;

  private constructor(session: ort.InferenceSession, program: Program<Out, In>) {
    this.#session = session;
    this.#program = program;
  }

  /** @throws KronaError RUNTIME_LOAD when the runtime refuses the program, OUT_OF_MEMORY */
  static async create<Out extends Results, In extends Feeds>(
    program: Program<Out, In>,
    options: SessionOptions = {},
  ): Promise<Session<Out, In>> {
    try {
      const session = await open(program, options);
      return new Session(session, program);
    } catch (cause) {
      const message = messageOf(cause);
      throw (
        outOfMemory(message, cause) ??
        new KronaError('RUNTIME_LOAD', `onnxruntime refused the program: ${message}`, { cause })
      );
    }
  }

  /**
   * Runs once. Results are new arrays, except those of outputs named in `into`, which are written in place.
   * @throws KronaError RUNTIME_FEED when an input is missing, or an array has the wrong size or type; OUT_OF_MEMORY,
   * RUNTIME_RUN when the run fails
   */
  async run(feeds: In, into: Partial<Out> = {}): Promise<Out> {
    const given: Partial<Results> = into;
    const inputs = Object.fromEntries(
      this.#program.inputs.map((value) => [value.name, bind('input', value, feeds[value.name])]),
    );
    const fetches = Object.fromEntries(
      this.#program.outputs.map((value) => {
        const array = given[value.name];
        return [value.name, array ? bind('output', value, array) : null];
      }),
    );
    try {
      const found = await this.#session.run(inputs, fetches);
      const results = this.#program.outputs.map(({ name }) => [name, given[name] ?? found[name]?.data]);
      // The program's type comes from the outputs that it was compiled from.
      return Object.fromEntries(results) as Out;
    } catch (cause) {
      const message = messageOf(cause);
      throw (
        outOfMemory(message, cause) ??
        new KronaError('RUNTIME_RUN', `onnxruntime failed: ${message}`, { cause })
      );
    }
  }

  endProfiling(): void {
    this.#session.endProfiling();
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}

type Opening = ort.InferenceSession.SessionOptions;

/** Opens a program in its kept form where there is one, else from its bytes. */
async function open(program: Program, options: SessionOptions): Promise<ort.InferenceSession> {
  const device = options.device ?? currentDevice();
  const how = openingOf(program, options, device);
  const folder = device === 'cpu' && !options.profilePrefix ? formsFolder() : null;
  const form = await KeptForm.of(program, [how, ort.env.versions], folder).catch(() => null);
  const kept = await form?.read();
  // A form of the same key is only refused when the runtime changed under its version: it is made again.
  const reopened =
    kept && (await create(kept, { ...how, graphOptimizationLevel: 'disabled' }).catch(() => null));
  if (reopened) return reopened;
  const draft = await form?.draft();
  if (!draft) return create(program.bytes, how);
  const session = await create(program.bytes, { ...how, optimizedModelFilePath: draft.path }).catch(
    () => null,
  );
  await draft.end(session !== null);
  // The disk may be full. If it is the program, the runtime says so again.
  return session ?? create(program.bytes, how);
}

const create = (bytes: Uint8Array, how: Opening): Promise<ort.InferenceSession> =>
  ort.InferenceSession.create(bytes, how);

const openingOf = (program: Program, options: SessionOptions, device: Device): Opening => ({
  executionProviders: [providerOf(device)],
  intraOpNumThreads: options.threads ?? threadsWanted(),
  graphOptimizationLevel: 'all',
  // The pattern planner keeps all buffers of a training graph separate: twice the peak for no gain.
  enableMemPattern: false,
  enableCpuMemArena: true,
  logSeverityLevel: quiet ? 4 : 3,
  ...(options.profilePrefix ? { enableProfiling: true, profileFilePrefix: options.profilePrefix } : {}),
  extra: {
    session: {
      model_external_initializers_file_folder_path: program.weightsFolder,
      set_denormal_as_zero: '1',
      disable_prepacking: options.mapWeights ? '1' : '0',
    },
    // It would merge `after` with a reshape behind it and lose the order that `after` enforces.
    optimization: {
      disable_specified_optimizers: options.mapWeights ? 'ReshapeFusion;NchwcTransformer' : 'ReshapeFusion',
    },
  },
});

/** With WebGPU's own layout, NHWC, convolutions of 6, 9, 15 … channels are wrong (onnxruntime 1.30). */
const providerOf = (device: Device): ort.InferenceSession.ExecutionProviderConfig =>
  device === 'webgpu' ? { name: 'webgpu', preferredLayout: 'NCHW' } : device;

/** An array as the runtime's tensor, on the same memory. */
function bind(side: 'input' | 'output', { name, dtype, shape }: OnnxValue, data: TensorData | undefined) {
  const size = sizeOf(shape);
  if (data?.length !== size || !(data instanceof ARRAYS[dtype])) {
    const came = data ? `${data.constructor.name} of ${data.length}` : 'nothing';
    throw new KronaError(
      'RUNTIME_FEED',
      `${side} ${name} takes ${dtype}${showShape(shape)}, a ${ARRAYS[dtype].name} of ${size}; got ${came}`,
    );
  }
  if (data instanceof Float32Array) return new ort.Tensor('float32', data, shape);
  if (data instanceof BigInt64Array) return new ort.Tensor('int64', data, shape);
  // Where Node has Float16Array (24), the class turns the data into one, which the runtime's binding can't read.
  return Object.defineProperty(new ort.Tensor('float16', data, shape), 'data', { value: data });
}

/** The single number of a result, such as a loss. */
export const numberOf = ([value = NaN]: Float32Array): number => value;

/** Opens a session, by default with one thread, runs it once and releases it. @throws KronaError as `Session` */
export async function runOnce<Out extends Results, In extends Feeds>(
  program: Program<Out, In>,
  feeds: In,
  options: SessionOptions = { threads: 1 },
): Promise<Out> {
  const session = await Session.create(program, options);
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

/** Devices that this build of onnxruntime has code for. */
export const backends = (): string[] => ort.listSupportedBackends().map(({ name }) => name);

let quiet = false;

/** Does work whose failures the runtime doesn't print. */
export async function quietly<T>(work: () => Promise<T>): Promise<T> {
  const { logLevel } = ort.env;
  ort.env.logLevel = 'fatal';
  quiet = true;
  try {
    return await work();
  } finally {
    quiet = false;
    if (logLevel !== undefined) ort.env.logLevel = logLevel;
  }
}
