/** @file From symbolic outputs to an ONNX program: passes, then one rule a node. Weights stay in their files. */
import { checkGraph } from './check.ts';
import { GraphError } from './errors.ts';
import { toHalfPrecision } from './half-precision.ts';
import {
  encodeModel,
  type Attribute,
  type OnnxInitializer,
  type OnnxModel,
  type OnnxNode,
  type OnnxValue,
} from './onnx-model.ts';
import { emitNode, untransposed, type Emitter } from './onnx-rules.ts';
import { runPasses } from './passes.ts';
import type { DType, Shape } from './primitives.ts';
import { reachable, type Node, type Tensor } from './tensor.ts';

export interface Program {
  /** The ONNX model, without its weights. */
  readonly bytes: Uint8Array;
  /** Folder that the names of external files are relative to. */
  readonly weightsFolder: string;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  /** Of the weights that stay in their files. */
  readonly weightBytes: number;
}

/** External files are named from the root, so that one program can use files of many folders, links resolved. */
const WEIGHTS_FOLDER = '/';

/** What a program computes in: float16 has islands of float32 (half-precision.ts). */
export type Precision = 'float32' | 'float16';

export interface CompileOptions {
  /** float32 by default. What a program takes and gives stays as it is. */
  readonly precision?: Precision;
}

/**
 * Compiles named outputs. Inputs are all `input` leaves that they need, in order of creation.
 * @throws GraphError GRAPH_ILLEGAL when a pass leaves an illegal graph, GRAPH_NAME when two things have one name
 */
export function compile(outputs: Readonly<Record<string, Tensor>>, options: CompileOptions = {}): Program {
  return programOf(onnxModel(outputs, options));
}

/** What `compile` encodes. @throws GraphError GRAPH_ILLEGAL */
export function onnxModel(
  outputs: Readonly<Record<string, Tensor>>,
  { precision = 'float32' }: CompileOptions = {},
): OnnxModel {
  const names = Object.keys(outputs);
  const results = compiledGraph(Object.values(outputs), precision);
  const order = reachable(results);
  const emitter = new ModelEmitter();
  const absorbed = absorbedTransposes(order, results);
  for (const node of order) if (!absorbed.has(node)) emitter.add(node);
  const produced = results.map((tensor, i) => emitter.output(names[i]!, tensor));
  const { nodes, initializers, inputs } = emitter;
  return { nodes, initializers, inputs, outputs: produced };
}

/** @throws GraphError GRAPH_NAME when two things have one name */
export function programOf(model: OnnxModel): Program {
  checkNames(model);
  const bytes = encodeModel(model, (path) => path.slice(WEIGHTS_FOLDER.length));
  const weightBytes = model.initializers.reduce(
    (sum, { data }) => sum + (data instanceof Uint8Array ? 0 : data.length),
    0,
  );
  return { bytes, weightsFolder: WEIGHTS_FOLDER, inputs: model.inputs, outputs: model.outputs, weightBytes };
}

/** The graph after all passes, of which `compile` makes a program node by node. */
export function compiledGraph(outputs: readonly Tensor[], precision: Precision): Tensor[] {
  if (precision === 'float32') return runPasses(outputs);
  checkGraph(outputs, 'building');
  return runPasses(toHalfPrecision(outputs));
}

/** Inputs, weights and outputs share one space of names: the runtime's own message does not say what is wrong. */
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

/** 2-D transposes that only products use: Gemm reads its inputs transposed. */
function absorbedTransposes(order: readonly Node[], results: readonly Tensor[]): Set<Tensor> {
  const kept = new Set<Tensor>(results);
  for (const node of order) {
    const product = node.primitive === 'matmul' && node.inputs.every((x) => x.shape.length === 2);
    if (!product) for (const x of node.inputs) kept.add(x);
  }
  return new Set(order.filter((node) => untransposed(node) && !kept.has(node)));
}

class ModelEmitter implements Emitter {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxInitializer[] = [];
  readonly inputs: OnnxValue[] = [];
  readonly #names = new Map<Tensor, string>();
  readonly #constants = new Map<string, string>();
  #count = 0;

  add(node: Node): void {
    this.#names.set(node, this.#define(node));
  }

  output(name: string, tensor: Tensor): OnnxValue {
    // Results get their own names, also when one tensor is two results or an input is a result.
    this.nodes.push({ type: 'Identity', inputs: [this.name(tensor)], outputs: [name] });
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
    this.nodes.push({ type, inputs, outputs: [output], attributes, domain });
    return output;
  }

  ints(values: readonly number[]): string {
    return this.#constant('int64', [values.length], new BigInt64Array(values.map(BigInt)));
  }

  floats(values: readonly number[], shape: Shape, dtype: DType): string {
    const name = this.#constant('float32', shape, new Float32Array(values));
    return dtype === 'float32' ? name : this.node('Cast', [name], { to: dtype === 'float16' ? 10 : 16 });
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
    const key = data.length <= 64 ? `${dtype}[${shape.join()}]${data.join()}` : null;
    const known = key === null ? undefined : this.#constants.get(key);
    if (known !== undefined) return known;
    const name = this.#fresh('constant');
    // ONNX and every machine that the runtime supports are little-endian.
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.initializers.push({ name, dtype, shape, data: bytes });
    if (key !== null) this.#constants.set(key, name);
    return name;
  }

  #fresh(type: string): string {
    return `${type}_${++this.#count}`;
  }
}
