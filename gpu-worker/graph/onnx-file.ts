/** @file A graph as an ONNX file that other programs can open: its weights are copied into one file beside it. */
import { open, writeFile, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { onnxModel, type CompileOptions } from './compile.ts';
import { encodeModel, type OnnxInitializer } from './onnx-model.ts';
import type { ByteRange } from './primitives.ts';
import type { Tensor } from './tensor.ts';

/** Alignment of external data in bytes, which ONNX asks for so that readers can map them. */
const ALIGNMENT = 4096;

/**
 * Writes `path` and, where the graph has weights in files, `path.data`. Runtimes refuse weights outside the folder of
 * the ONNX file, so the model's weights are copied.
 *
 * @returns the files written
 * @throws GraphError GRAPH_ILLEGAL
 */
export async function writeOnnxFile(
  path: string,
  outputs: Readonly<Record<string, Tensor>>,
  options: CompileOptions = {},
): Promise<string[]> {
  const model = onnxModel(outputs, options);
  const dataPath = `${path}.data`;
  const initializers = await copyWeights(model.initializers, dataPath);
  await writeFile(path, encodeModel({ ...model, initializers }, basename));
  return initializers.some(({ data }) => !(data instanceof Uint8Array)) ? [path, dataPath] : [path];
}

async function copyWeights(
  initializers: readonly OnnxInitializer[],
  path: string,
): Promise<OnnxInitializer[]> {
  if (initializers.every(({ data }) => data instanceof Uint8Array)) return [...initializers];
  const file = await open(path, 'w');
  try {
    const copied: OnnxInitializer[] = [];
    let offset = 0;
    for (const initializer of initializers) {
      const { data } = initializer;
      if (data instanceof Uint8Array) {
        copied.push(initializer);
        continue;
      }
      await file.write(await readRange(data), 0, data.length, offset);
      copied.push({ ...initializer, data: { path, offset, length: data.length } });
      offset = Math.ceil((offset + data.length) / ALIGNMENT) * ALIGNMENT;
    }
    return copied;
  } finally {
    await file.close();
  }
}

async function readRange({ path, offset, length }: ByteRange): Promise<Uint8Array> {
  const file: FileHandle = await open(path);
  try {
    const bytes = new Uint8Array(length);
    await file.read(bytes, 0, length, offset);
    return bytes;
  } finally {
    await file.close();
  }
}
