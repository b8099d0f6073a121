/**
 * @file Files of DiffuseKronA's authors: named like diffusers' first LoRA files, but with A and B in the place of the
 * LoRA's factors. Read only; the released forward pass computes a row-permuted product.
 */
import { at } from '../../../core/at.ts';
import { readFloats } from '../../models/safetensors.ts';
import { invalid, matrixSides, storedLayer, type FileModule, type StoredLayer } from './form.ts';
import { KroneckerLayer, KroneckerShape } from './kronecker.ts';

/**
 * Whether the pairs of a file are no products, and so the authors' factors. (Both at once cannot be: `in` would be a2²
 * for every module.)
 */
export function isDiffuseKrona(modules: Iterable<Pick<FileModule, 'name' | 'parts'>>): boolean {
  return [...modules].some(
    ({ name, parts }) =>
      /\.processor\.to_(?:q|k|v|out)$/.test(name) &&
      parts.get('up')?.shape[1] !== parts.get('down')?.shape[0],
  );
}

/**
 * down is Aᵀ [a2, a1], up is B [b1, b2]; ΔW's rows are B's first (see KroneckerSides). Such files have no scale.
 * @throws KronaError ADAPTER_INVALID
 */
export function openDiffuseKrona({ file, name, parts }: FileModule): StoredLayer {
  const [down, up] = [parts.get('down'), parts.get('up')];
  const [left, right] = [down && matrixSides(down.shape), up && matrixSides(up.shape)];
  if (!down || !up || !left || !right) throw invalid(file, `must hold two matrices of ${name}`);
  const [a2, a1] = left;
  const [b1, b2] = right;
  const read = async () => {
    const transposed = await readFloats(down);
    const a = transposed.map((_, i) => at(transposed, (i % a2) * a1 + Math.floor(i / a2)));
    return [a, await readFloats(up)] as const;
  };
  // Where one side of a factor is 1, rows lie as in A ⊗ B, or the whole as in B ⊗ A.
  if (a1 !== 1 && b1 !== 1 && (a2 === 1 || b2 === 1))
    return storedLayer(new KroneckerShape({ a1: b1, a2: b2, b1: a1, b2: a2 }), null, async (shape) => {
      const [a, b] = await read();
      return new KroneckerLayer(shape, b, a);
    });
  const rowOrder = a1 === 1 || b1 === 1 ? undefined : 'b-major';
  return storedLayer(new KroneckerShape({ a1, a2, b1, b2, rowOrder }), null, async (shape) => {
    const [a, b] = await read();
    return new KroneckerLayer(shape, a, b);
  });
}
