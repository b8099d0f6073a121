/**
 * @file `krona/graph`: symbolic tensors, their gradients, and programs that onnxruntime runs.
 *
 * Build a graph with `op`, differentiate it with `gradients`, turn it into a program with `compile`, and run that with a
 * `Session` (many times) or `runOnce`. `printGraph` shows a graph as text, and
 * `writeOnnxFile` writes it for other programs. Errors of building are `GraphError`s.
 */
export * as op from './ops.ts';
export { checkpoint, gradients } from './gradients.ts';
export { compile, type CompileOptions, type Precision, type Program } from './compile.ts';
export { runOnce, Session, tryDevice, type Feeds, type SessionOptions, type TensorData } from './runtime.ts';
export { chooseDevice, currentDevice, devicePrecision, useDevice, type ChosenDevice } from './device.ts';
export { printGraph } from './print.ts';
export { writeOnnxFile } from './onnx-file.ts';
export { GraphError } from './errors.ts';
export { sizeOf, type Tensor } from './tensor.ts';
export type { DType, Pads, Primitive, Shape } from './primitives.ts';
