/** @file Writes the ONNX protobuf message (onnx.proto3, IR version 10): only the fields that we use. */
import { PbfWriter } from 'pbf';
import type { ByteRange, DType, Shape } from './primitives.ts';

export type Attribute = number | string | readonly number[] | { readonly float: number };

export interface OnnxNode {
  readonly type: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Integers and lists of them are INT(S); `{float}` is FLOAT. */
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** '' is ai.onnx. */
  readonly domain?: string;
}

export interface OnnxInitializer {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  /** Bytes inside the message, or the range of a file that the runtime maps. */
  readonly data: Uint8Array | ByteRange;
}

export interface OnnxValue {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

export interface OnnxModel {
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxInitializer[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

const OPSET = 21;
const IR_VERSION = 10;
/** TensorProto.DataType of each element type. */
export const ELEMENT: Readonly<Record<DType, number>> = { float32: 1, int64: 7, float16: 10, bfloat16: 16 };
const ATTRIBUTE = { FLOAT: 1, INT: 2, STRING: 3, INTS: 7 } as const;
const EXTERNAL = 1;

/** @param locate names an external file in the message: relative to the folder that the runtime is given. */
export function encodeModel(model: OnnxModel, locate: (path: string) => string): Uint8Array {
  const pbf = new PbfWriter();
  pbf.writeVarintField(1, IR_VERSION);
  pbf.writeStringField(2, 'krona');
  pbf.writeMessage(7, writeGraph, { model, locate });
  for (const [domain, version] of [
    ['', OPSET],
    ['com.microsoft', 1],
  ] as const) {
    pbf.writeMessage(
      8,
      (_: null, out: PbfWriter) => {
        out.writeStringField(1, domain);
        out.writeVarintField(2, version);
      },
      null,
    );
  }
  return pbf.finish();
}

function writeGraph(
  { model, locate }: { model: OnnxModel; locate: (path: string) => string },
  pbf: PbfWriter,
): void {
  for (const node of model.nodes) pbf.writeMessage(1, writeNode, node);
  pbf.writeStringField(2, 'krona');
  for (const value of model.initializers) pbf.writeMessage(5, writeInitializer, { value, locate });
  for (const value of model.inputs) pbf.writeMessage(11, writeValue, value);
  for (const value of model.outputs) pbf.writeMessage(12, writeValue, value);
}

function writeNode(node: OnnxNode, pbf: PbfWriter): void {
  for (const name of node.inputs) pbf.writeStringField(1, name);
  for (const name of node.outputs) pbf.writeStringField(2, name);
  pbf.writeStringField(3, node.outputs[0]!);
  pbf.writeStringField(4, node.type);
  for (const attribute of Object.entries(node.attributes ?? {}))
    pbf.writeMessage(5, writeAttribute, attribute);
  if (node.domain) pbf.writeStringField(7, node.domain);
}

function writeAttribute([name, value]: [string, Attribute], pbf: PbfWriter): void {
  pbf.writeStringField(1, name);
  if (typeof value === 'number') {
    pbf.writeVarintField(3, value);
    pbf.writeVarintField(20, ATTRIBUTE.INT);
  } else if (typeof value === 'string') {
    pbf.writeBytesField(4, new TextEncoder().encode(value));
    pbf.writeVarintField(20, ATTRIBUTE.STRING);
  } else if ('float' in value) {
    pbf.writeFloatField(2, value.float);
    pbf.writeVarintField(20, ATTRIBUTE.FLOAT);
  } else {
    pbf.writePackedVarint(8, [...value]);
    pbf.writeVarintField(20, ATTRIBUTE.INTS);
  }
}

function writeInitializer(
  { value, locate }: { value: OnnxInitializer; locate: (path: string) => string },
  pbf: PbfWriter,
): void {
  pbf.writePackedVarint(1, [...value.shape]);
  pbf.writeVarintField(2, ELEMENT[value.dtype]);
  pbf.writeStringField(8, value.name);
  if (value.data instanceof Uint8Array) {
    pbf.writeBytesField(9, value.data);
    return;
  }
  const { path, offset, length } = value.data;
  for (const entry of Object.entries({ location: locate(path), offset: `${offset}`, length: `${length}` })) {
    pbf.writeMessage(
      13,
      ([key, text]: [string, string], out: PbfWriter) => {
        out.writeStringField(1, key);
        out.writeStringField(2, text);
      },
      entry,
    );
  }
  pbf.writeVarintField(14, EXTERNAL);
}

function writeValue(value: OnnxValue, pbf: PbfWriter): void {
  pbf.writeStringField(1, value.name);
  pbf.writeMessage(
    2,
    (_: null, type: PbfWriter) => {
      type.writeMessage(
        1,
        (__: null, tensor: PbfWriter) => {
          tensor.writeVarintField(1, ELEMENT[value.dtype]);
          tensor.writeMessage(2, writeShape, value.shape);
        },
        null,
      );
    },
    null,
  );
}

function writeShape(shape: Shape, pbf: PbfWriter): void {
  for (const side of shape)
    pbf.writeMessage(1, (length: number, dim: PbfWriter) => dim.writeVarintField(1, length), side);
}
