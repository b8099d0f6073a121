/** @file The operators of an encoded ONNX program with the type of what they compute on, read back from its bytes. */
import { PbfReader } from 'pbf';

/** Element types by their number in onnx.proto. */
const TYPES: Readonly<Record<number, string>> = {
  1: 'float32',
  7: 'int64',
  9: 'bool',
  10: 'float16',
  16: 'bfloat16',
};

export interface UsedOperator {
  /** With its domain in front where that is not ai.onnx. */
  readonly operator: string;
  /** Of its first input; of Cast `from→to`. */
  readonly type: string;
  /** Name of its first input. */
  readonly source: string;
  /** Whether it has a shape, or the numbers of a slice, that the program computes: these lie in main memory. */
  readonly waitsForHost: boolean;
}

/** Operators whose inputs after the first are shapes, positions or axes. */
const SHAPED = new Set(['Reshape', 'Expand', 'Slice', 'Pad', 'Resize', 'ReduceSum', 'ReduceMean']);

interface RawNode {
  inputs: string[];
  outputs: string[];
  operator: string;
  domain: string;
  to: number;
}

/** In the order of the program. @throws Error where an input's type is not known */
export function operatorsOf(bytes: Uint8Array): UsedOperator[] {
  const types = new Map<string, string>();
  const nodes: RawNode[] = [];
  const computed = new Set<string>();
  const model = new PbfReader(bytes);
  model.readFields((tag) => {
    if (tag === 7) model.readMessage(graph, null);
  }, null);

  function graph(tag: number, _: null, pbf: PbfReader): void {
    if (tag === 1)
      nodes.push(pbf.readMessage(node, { inputs: [], outputs: [], operator: '', domain: '', to: 0 }));
    else if (tag === 5 || tag === 11) {
      // Of an initializer: type 2, name 8. Of an input: name 1, type 2 with the tensor's type in it.
      const value = pbf.readMessage(tag === 5 ? initializer : input, { name: '', type: 0 });
      types.set(value.name, TYPES[value.type]!);
    }
  }

  return nodes.map(({ inputs, outputs, operator, domain, to }) => {
    const from = types.get(inputs[0]!);
    if (from === undefined) throw new Error(`${operator} reads ${inputs[0]}, whose type is not known`);
    const result = operator === 'Cast' ? TYPES[to]! : operator === 'Less' ? 'bool' : from;
    for (const output of outputs) {
      types.set(output, result);
      computed.add(output);
    }
    const name = domain === '' ? operator : `${domain}.${operator}`;
    return {
      operator: name,
      type: operator === 'Cast' ? `${from}→${result}` : from,
      source: inputs[0]!,
      waitsForHost: SHAPED.has(operator) && inputs.slice(1).some((input) => computed.has(input)),
    };
  });
}

function node(tag: number, raw: RawNode, pbf: PbfReader): void {
  if (tag === 1) raw.inputs.push(pbf.readString());
  else if (tag === 2) raw.outputs.push(pbf.readString());
  else if (tag === 4) raw.operator = pbf.readString();
  else if (tag === 7) raw.domain = pbf.readString();
  else if (tag === 5) {
    const { name, int } = pbf.readMessage(attribute, { name: '', int: 0 });
    if (name === 'to') raw.to = int;
  }
}

function attribute(tag: number, value: { name: string; int: number }, pbf: PbfReader): void {
  if (tag === 1) value.name = pbf.readString();
  else if (tag === 3) value.int = pbf.readVarint();
}

function initializer(tag: number, value: { name: string; type: number }, pbf: PbfReader): void {
  if (tag === 2) value.type = pbf.readVarint();
  else if (tag === 8) value.name = pbf.readString();
}

function input(tag: number, value: { name: string; type: number }, pbf: PbfReader): void {
  if (tag === 1) value.name = pbf.readString();
  else if (tag === 2) pbf.readMessage(typed, value);
}

function typed(tag: number, value: { type: number }, pbf: PbfReader): void {
  if (tag === 1) pbf.readMessage(tensorType, value);
}

function tensorType(tag: number, value: { type: number }, pbf: PbfReader): void {
  if (tag === 1) value.type = pbf.readVarint();
}
