/**
 * @file The types for which onnxruntime's CUDA provider has kernels of the operators that are emitted here, at opset 21:
 * docs/OperatorKernels.md of microsoft/onnxruntime at 001d12d2, section CUDAExecutionProvider.
 */

const floats = ['float32', 'float16'];
const numbers = [...floats, 'int64'];

export const CUDA_KERNELS: Readonly<Record<string, readonly string[]>> = {
  Abs: floats,
  Add: numbers,
  AveragePool: floats,
  Cast: ['float32', 'float16', 'bfloat16', 'int64', 'bool'],
  Concat: numbers,
  Conv: floats,
  ConvTranspose: floats,
  Cos: floats,
  Div: numbers,
  Erf: floats,
  Exp: floats,
  Expand: numbers,
  Gather: numbers,
  Gelu: floats,
  Gemm: floats,
  Identity: numbers,
  InstanceNormalization: floats,
  LayerNormalization: floats,
  Less: numbers,
  Log: floats,
  MatMul: floats,
  Max: numbers,
  Min: numbers,
  Mul: numbers,
  Neg: numbers,
  Pad: floats,
  ReduceMean: floats,
  ReduceSum: numbers,
  Reshape: numbers,
  Resize: floats,
  ScatterElements: numbers,
  Sigmoid: floats,
  Sign: numbers,
  Sin: floats,
  Slice: numbers,
  Softmax: floats,
  Split: numbers,
  Sqrt: floats,
  Sub: numbers,
  Tanh: floats,
  Transpose: numbers,
  'com.microsoft.FusedMatMul': floats,
  'com.microsoft.MultiHeadAttention': floats,
  'com.microsoft.QuickGelu': floats,
};
