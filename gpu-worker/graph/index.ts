/**
 * @file `krona/graph`: symbolic tensors, their gradients, and programs that onnxruntime runs.
 *
 * Build a graph with `op`, differentiate it with `gradients`, turn it into a program with `compileFunction` (or `compile`,
 * when model code makes the inputs), and run that with a `Session` (many times) or `runOnce`. `printGraph` shows a graph as
 * text, and `writeOnnxFile` writes it for other programs. Errors of building are `GraphError`s.
 */
export * as op from './ops.ts';
export { checkpoint, gradients } from './gradients.ts';
export {
  compile,
  compileFunction,
  type CompileOptions,
  type Feeds,
  type InputSpec,
  type Precision,
  type Program,
  type Results,
  type TensorData,
} from './compile.ts';
export { numberOf, runOnce, Session, type SessionOptions } from './runtime.ts';
export { deviceTrials } from './device-trial.ts';
export { chooseDevice, currentDevice, devicePrecision, useDevice, type ChosenDevice } from './device.ts';
export { printGraph } from './print.ts';
export { writeOnnxFile } from './onnx-file.ts';
export { GraphError } from './errors.ts';
export { sizeOf, type Tensor } from './tensor.ts';
export type { DType, Pads, Primitive, Shape } from './primitives.ts';
