/**
 * @file Reads the weights of ESRGAN-slim from its package: TensorFlow.js' weight manifest, float32 one after the other, in Keras'
 * names and layouts. TensorFlow.js isn't needed.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import * as v from 'valibot';
import { at } from '../../../core/at.ts';
import { KronaError } from '../../../core/errors.ts';
import type { Enlargement } from '../../../core/pictures/enlarged-size.ts';
import * as op from '../../graph/ops.ts';
import { sizeOf } from '../../graph/shapes.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { CONVOLUTION, transposed } from '../../models/keras-layout.ts';

const PACKAGE = '@upscalerjs/esrgan-slim';

const MANIFEST = v.object({
  weightsManifest: v.tuple([
    v.object({
      paths: v.tuple([v.string()]),
      weights: v.array(
        v.object({ name: v.string(), shape: v.array(v.number()), dtype: v.literal('float32') }),
      ),
    }),
  ]),
});

/**
 * The parameters by the names that residual-dense.ts asks for: convolutions [out,in,h,w].
 *
 * @throws KronaError UPSCALER_MISSING if the package is missing
 */
export async function readEsrganWeights(scale: Enlargement): Promise<Map<string, Tensor>> {
  const { weights, bytes } = await stored(scale);
  const parameters = new Map<string, Tensor>();
  let offset = 0;
  for (const { name, shape } of weights) {
    const data = new Float32Array(bytes.slice(offset, (offset += 4 * sizeOf(shape))));
    const kernel = /^(.+)\/kernel$/.exec(name)?.[1];
    const numbers = kernel === undefined ? { shape, data } : transposed({ shape, data }, CONVOLUTION);
    const parameter = kernel === undefined ? name.replace('/bias', '.bias') : `${kernel}.weight`;
    parameters.set(parameter, op.constant(numbers.data, numbers.shape));
  }
  return parameters;
}

async function stored(scale: Enlargement) {
  try {
    // Its `exports` hide the files; its entry lies in dist/.
    const entry = createRequire(import.meta.url).resolve(PACKAGE);
    const folder = join(entry.slice(0, entry.lastIndexOf(join('dist', 'cjs'))), `models/x${scale}`);
    const json: unknown = JSON.parse(await readFile(join(folder, 'model.json'), 'utf8'));
    const [{ weights, paths }] = v.parse(MANIFEST, json).weightsManifest;
    const { buffer, byteOffset, byteLength } = await readFile(join(folder, at(paths, 0)));
    return { weights, bytes: buffer.slice(byteOffset, byteOffset + byteLength) };
  } catch (cause) {
    throw new KronaError(
      'UPSCALER_MISSING',
      `Upscaling by x2 or x4 needs the package ${PACKAGE}, which cannot be loaded. Run npm install, or upscale by drawing ` +
        'again: `/krona settings draw upscale:redraw`.',
      { cause },
    );
  }
}
