/** @file Compiles symbolic outputs to an ONNX program: passes, then one rule for each node. Weights stay in their files. */
import { at } from '../../core/at.ts';
import { currentDialect } from './device.ts';
import type { Dialect, Precision } from './dialect.ts';
import { GraphError } from './errors.ts';
import { toHalfPrecision } from './half-precision.ts';
import {
  ELEMENT,
  encodeModel,
  type Attribute,
  type OnnxInitializer,
  type OnnxModel,
  type OnnxNode,
  type OnnxValue,
} from './onnx-model.ts';
import { absorbedTransposes, longSums, wholeCuts, type Cut, type Sums } from './fused-nodes.ts';
import { emitNode, type Emitter } from './onnx-rules.ts';
import { CARD_PASSES, PASSES, runPasses } from './passes.ts';
import { wholeBatches } from './whole-batches.ts';
import { writtenOut } from './written-out.ts';
import * as op from './ops.ts';
import type { DType, Shape } from './primitives.ts';
import { reachable, type Node, type Tensor } from './tensor.ts';

export type TensorData = Float32Array | BigInt64Array | Uint16Array;
/** The inputs of a run, by name. 16-bit floats as their bits. */
export type Feeds = Readonly<Record<string, TensorData>>;
/** The results of a run, by name. */
export type Results = Readonly<Record<string, Float32Array>>;

/** The results of outputs compiled under these names. */
export type ResultsOf<Outputs> = { readonly [Name in keyof Outputs]: Float32Array };

/** An ONNX program. `In` and `Out` type the inputs and results of a run. */
export interface Program<Out extends Results = Results, In extends Feeds = Feeds> {
  /** The ONNX model, without its weights. */
  readonly bytes: Uint8Array;
  /** Folder that the names of external files are relative to. */
  readonly weightsFolder: string;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  /** Paths of the files with the weights. */
  readonly weightFiles: readonly string[];
  /** Bytes of the weights, which stay in their files. */
  readonly weightBytes: number;
  /** Never set: carries the types of a run. */
  readonly types?: { readonly out: Out; readonly in: In };
}

/** An input: the shape of float32 values, or a shape with another type. */
export type InputSpec = Shape | { readonly shape: Shape; readonly dtype: 'int64' };
type InputSpecs = Readonly<Record<string, InputSpec>>;
export type FeedsOf<Specs> = {
  readonly [Name in keyof Specs]: Specs[Name] extends { readonly dtype: 'int64' }
    ? BigInt64Array
    : Float32Array;
};

/** External files are named from the root, so that one program can use files of many folders, links resolved. */
const WEIGHTS_FOLDER = '/';

export type { Precision } from './dialect.ts';

export interface CompileOptions {
  /** float32 by default. Inputs and outputs keep their types. */
  readonly precision?: Precision;
  /** How the program's device wants it written: by default, the device of this process. */
  readonly dialect?: Dialect;
}

/**
 * Compiles named outputs. Its inputs are all `input` leaves that they need, in order of creation; their names are
 * checked at each run. Where all inputs are known at one place, `compileFunction` has TypeScript check them.
 *
 * @throws GraphError GRAPH_DTYPE when an output is not float32, GRAPH_ILLEGAL when a pass leaves an illegal graph,
 * GRAPH_NAME when two tensors share a name
 */
export function compile<Outputs extends Readonly<Record<string, Tensor>>>(
  outputs: Outputs,
  options: CompileOptions = {},
): Program<ResultsOf<Outputs>> {
  return programOf(onnxModel(outputs, options));
}

/**
 * Compiles the outputs that `build` makes from the inputs.
 *
 * @example compileFunction({ x: [2, 3] }, ({ x }) => ({ y: op.exp(x) })) // a run takes { x } and gives { y }
 * @throws GraphError as `compile`, and the errors of building
 */
export function compileFunction<
  const Specs extends InputSpecs,
  Outputs extends Readonly<Record<string, Tensor>>,
>(
  specs: Specs,
  build: (inputs: { readonly [Name in keyof Specs]: Tensor }) => Outputs,
  options: CompileOptions = {},
): Program<ResultsOf<Outputs>, FeedsOf<Specs>> {
  return programOf(onnxModel(build(inputsOf(specs)), options));
}

function inputsOf<Specs extends InputSpecs>(specs: Specs): { readonly [Name in keyof Specs]: Tensor } {
  const inputs = Object.entries(specs).map(([name, spec]) => [
    name,
    'shape' in spec ? op.input(name, spec.shape, spec.dtype) : op.input(name, spec),
  ]);
  return Object.fromEntries(inputs) as { readonly [Name in keyof Specs]: Tensor };
}

/** The graph that `compile` encodes. @throws GraphError GRAPH_DTYPE, GRAPH_ILLEGAL */
export function onnxModel(
  outputs: Readonly<Record<string, Tensor>>,
  { precision = 'float32', dialect = currentDialect() }: CompileOptions = {},
): OnnxModel {
  for (const [name, { dtype }] of Object.entries(outputs))
    if (dtype !== 'float32')
      throw new GraphError('GRAPH_DTYPE', `output ${name} is ${dtype}; cast it to float32`);
  const results = compiledGraph(Object.values(outputs), precision, dialect);
  const order = reachable(results);
  const { fewLaunches } = dialect;
  const sums = fewLaunches ? longSums(order, results) : NO_SUMS;
  const emitter = new ModelEmitter(dialect, fewLaunches ? wholeCuts(order) : new Map(), sums);
  const absorbed = absorbedTransposes(order, results, dialect);
  for (const node of order) if (!absorbed.has(node) && !sums.absorbed.has(node)) emitter.add(node);
  const names = Object.keys(outputs);
  const produced = results.map((tensor, i) => emitter.output(names[i] ?? '', tensor));
  const { written, initializers, inputs } = emitter;
  return { nodes: written, initializers, inputs, outputs: produced };
}

/**
 * Encodes a model with inputs and outputs that the caller knows. @throws GraphError GRAPH_NAME when two tensors share a
 * name
 */
export function programOf<Out extends Results, In extends Feeds>(model: OnnxModel): Program<Out, In> {
  checkNames(model);
  const bytes = encodeModel(model, (path) => path.slice(WEIGHTS_FOLDER.length));
  const stored = model.initializers.flatMap(({ data }) => (data instanceof Uint8Array ? [] : [data]));
  return {
    bytes,
    weightsFolder: WEIGHTS_FOLDER,
    weightFiles: [...new Set(stored.map(({ path }) => path))],
    weightBytes: stored.reduce((sum, { length }) => sum + length, 0),
    inputs: model.inputs,
    outputs: model.outputs,
  };
}

/** The graph after all passes, which `compile` emits node by node. */
export function compiledGraph(
  outputs: readonly Tensor[],
  precision: Precision,
  dialect = currentDialect(),
): Tensor[] {
  const out = writtenOut(dialect);
  const passes = dialect.fewLaunches ? [wholeBatches, ...CARD_PASSES] : PASSES;
  if (precision === 'float32') return runPasses(outputs, [out, ...passes]);
  return runPasses(toHalfPrecision(runPasses(outputs, [out]), dialect), passes);
}

/** Inputs, weights and outputs share one namespace. The runtime's own error doesn't name the duplicate. */
function checkNames({ nodes, initializers, inputs }: OnnxModel): void {
  const taken = new Set<string>();
  const names = [...inputs, ...initializers].map(({ name }) => name);
  for (const name of [...names, ...nodes.flatMap((node) => node.outputs)]) {
    if (taken.has(name)) {
      throw new GraphError('GRAPH_NAME', `two inputs, weights or outputs are named "${name}"; rename one`);
    }
    taken.add(name);
  }
}

const NO_SUMS: Sums = { summands: new Map(), absorbed: new Set() };

class ModelEmitter implements Emitter {
  readonly written: OnnxNode[] = [];
  readonly initializers: OnnxInitializer[] = [];
  readonly inputs: OnnxValue[] = [];
  readonly #names = new Map<Tensor, string>();
  readonly #constants = new Map<string, string>();
  readonly #once = new Map<string, string>();
  #count = 0;
  readonly dialect: Dialect;
  readonly #cuts: ReadonlyMap<Tensor, Cut>;
  readonly #summands: Sums['summands'];

  constructor(dialect: Dialect, cuts: ReadonlyMap<Tensor, Cut>, { summands }: Sums) {
    this.dialect = dialect;
    this.#cuts = cuts;
    this.#summands = summands;
  }

  add(node: Node): void {
    const cut = this.#cuts.get(node);
    const summands = this.#summands.get(node) ?? [];
    if (summands.length > 2) {
      this.#names.set(
        node,
        this.node(
          'Sum',
          summands.map((x) => this.name(x)),
        ),
      );
    } else if (!cut) this.#names.set(node, this.#define(node));
    else if (!this.#names.has(node)) this.#split(cut);
  }

  /** Makes all parts of a tensor. */
  #split({ axis, parts }: Cut): void {
    const outputs = parts.map((part) => {
      const name = this.#fresh('Split');
      this.#names.set(part, name);
      return name;
    });
    const [whole] = at(parts, 0).inputs;
    const sizes = this.ints(parts.map(({ shape }) => at(shape, axis)));
    this.written.push({ type: 'Split', inputs: [this.name(whole), sizes], outputs, attributes: { axis } });
  }

  output(name: string, tensor: Tensor): OnnxValue {
    // Results get separate names, also when a tensor has two results or an input is a result.
    this.written.push({ type: 'Identity', inputs: [this.name(tensor)], outputs: [name] });
    return { name, dtype: tensor.dtype, shape: tensor.shape };
  }

  name(tensor: Tensor): string {
    const name = this.#names.get(tensor);
    if (name === undefined)
      throw new GraphError('GRAPH_ILLEGAL', `%${tensor.id} = ${tensor.primitive} was not emitted`);
    return name;
  }

  node(
    type: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    domain = '',
  ): string {
    const output = this.#fresh(type);
    this.written.push({ type, inputs, outputs: [output], attributes, domain });
    return output;
  }

  nodes(
    type: string,
    inputs: readonly string[],
    results: number,
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string[] {
    const outputs = Array.from({ length: results }, () => this.#fresh(type));
    this.written.push({ type, inputs, outputs, attributes });
    return outputs;
  }

  once(key: string, make: () => string): string {
    const known = this.#once.get(key) ?? make();
    this.#once.set(key, known);
    return known;
  }

  ints(values: readonly number[]): string {
    return this.#constant('int64', [values.length], new BigInt64Array(values.map(BigInt)));
  }

  floats(values: readonly number[], shape: Shape, dtype: DType): string {
    const name = this.#constant('float32', shape, new Float32Array(values));
    if (dtype === 'float32') return name;
    return this.once(`${name} as ${dtype}`, () => this.node('Cast', [name], { to: ELEMENT[dtype] }));
  }

  #define(node: Node): string {
    switch (node.primitive) {
      case 'input': {
        const { name, shape, dtype } = node.params;
        this.inputs.push({ name, shape, dtype });
        return name;
      }
      case 'weight': {
        const { name, shape, dtype, source } = node.params;
        this.initializers.push({ name, shape, dtype, data: source });
        return name;
      }
      case 'constant': {
        const { data, shape } = node.params;
        return this.#constant(node.dtype, shape, data);
      }
      default:
        return emitNode(this, node);
    }
  }

  #constant(dtype: DType, shape: Shape, data: Float32Array | BigInt64Array): string {
    const values = data.length > 64 && data.every((value) => value === data[0]) ? data.slice(0, 1) : data;
    const key = values.length <= 64 ? `${dtype}[${shape.join()}]${values.join()}` : null;
    const known = key === null ? undefined : this.#constants.get(key);
    if (known !== undefined) return known;
    const name = this.#fresh('constant');
    // ONNX and all machines that the runtime supports are little-endian.
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.initializers.push({ name, dtype, shape, data: bytes });
    if (key !== null) this.#constants.set(key, name);
    return name;
  }

  #fresh(type: string): string {
    return `${type}_${++this.#count}`;
  }
}
