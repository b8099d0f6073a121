/**
 * @file LoHa, ΔW = alpha/rank · (w1_a · w1_b) ∘ (w2_a · w2_b), the product of two low-rank matrices number by number
 * (FedPara, arXiv 2108.06098). Read only, as the LoRA that it is: of rank r1·r2, whose columns are all products of a column
 * of w1_a with one of w2_a, or with one factor the identity where that is larger. Format: LyCORIS `lycoris/modules/loha.py`.
 */
import { sizeOf } from '../../graph/shapes.ts';
import { readFloats, type StoredTensor } from '../../models/safetensors.ts';
import {
  invalid,
  kernelOf,
  matrixSides,
  storedLayer,
  type FileForm,
  type FileModule,
  type Kernel,
} from './form.ts';
import { LowRankLayer, LowRankShape } from './low-rank.ts';
import { multiply, tucker } from './matrices.ts';

/** One of the two low-rank matrices. */
interface Side {
  readonly rank: number;
  readonly out: number;
  /** Without a kernel. */
  readonly in: number;
  readonly kernel: Kernel | undefined;
  readonly left: StoredTensor;
  readonly right: StoredTensor;
  readonly core: StoredTensor | undefined;
}

export const hadamard: FileForm = {
  format: 'loha',
  suffixes: [[/\.(hada_(?:w[12]_[ab]|t[12]))$/, null]],

  open(module) {
    const [first, second] = [sideOf(module, 1), sideOf(module, 2)];
    const { file, name } = module;
    const same = first.out === second.out && first.in === second.in && !first.core === !second.core;
    if (!same || first.kernel?.join() !== second.kernel?.join())
      throw invalid(
        file,
        `gives ${name} two products of different sides, which LoHa multiplies number by number`,
      );
    const { out, in: inputs, kernel } = first;
    const columns = inputs * sizeOf(kernel ?? []);
    const joined = first.rank * second.rank;
    const whole = first.core !== undefined || joined > Math.min(out, columns);
    const shape = new LowRankShape({
      rank: whole ? Math.min(out, columns) : joined,
      out,
      in: inputs,
      kernel,
      scale: 1,
    });
    return [
      storedLayer(shape, { kind: 'loha', rank: first.rank }, async (fitted, scale) => {
        const [up, down] = whole
          ? beside(times(await product(first), await product(second)), out, columns)
          : [await pairs(first, second, 'left'), await pairs(first, second, 'right')];
        const { rank, out: rows, in: width, kernel: own } = fitted;
        return new LowRankLayer({ rank, out: rows, in: width, kernel: own, scale }, down, up);
      }),
    ];
  },
};

/** @throws KronaError ADAPTER_INVALID */
function sideOf({ file, name, parts }: FileModule, which: 1 | 2): Side {
  const [left, right] = [parts.get(`hada_w${which}_a`), parts.get(`hada_w${which}_b`)];
  const core = parts.get(`hada_t${which}`);
  const [a, b] = [left && matrixSides(left.shape), right && matrixSides(right.shape)];
  if (!left || !right || !a || !b)
    throw invalid(file, `must hold the matrices hada_w${which}_a and _b of ${name}`);
  // Beside a Tucker core [i, j, kh, kw] lie [i, out] and [j, in].
  const fits = core
    ? core.shape.length === 4 && core.shape[0] === a[0] && core.shape[1] === b[0]
    : a[1] === b[0];
  if (!fits)
    throw invalid(
      file,
      `gives ${name} factors [${left.shape.join(', ')}] and [${right.shape.join(', ')}], which don't make a product`,
    );
  return {
    rank: b[0],
    out: core ? a[1] : a[0],
    in: b[1],
    kernel: core && kernelOf(core.shape),
    left,
    right,
    core,
  };
}

async function product({ rank, left, right, core }: Side): Promise<Float32Array> {
  const [a, b] = [await readFloats(left), await readFloats(right)];
  return core ? tucker(await readFloats(core), a, b, [left.shape[0] ?? 0, rank]) : multiply(a, b, rank);
}

const times = (x: Float32Array, y: Float32Array): Float32Array => x.map((value, i) => value * (y[i] ?? 0));

/** A whole ΔW [out, columns] as up · down: one of them is the identity. */
function beside(delta: Float32Array, out: number, columns: number): [up: Float32Array, down: Float32Array] {
  return out <= columns ? [identity(out), delta] : [delta, identity(columns)];
}

function identity(side: number): Float32Array {
  const result = new Float32Array(side * side);
  for (let i = 0; i < side; i++) result[i * (side + 1)] = 1;
  return result;
}

/** All products of a column of one left factor with a column of the other [out, r1·r2]; of the right ones' rows. */
async function pairs(first: Side, second: Side, side: 'left' | 'right'): Promise<Float32Array> {
  const [x, y] = [await readFloats(first[side]), await readFloats(second[side])];
  const [r1, r2] = [first.rank, second.rank];
  const length = x.length / r1;
  const result = new Float32Array(length * r1 * r2);
  for (let i = 0; i < r1; i++)
    for (let j = 0; j < r2; j++)
      for (let n = 0; n < length; n++) {
        const [a, b] = side === 'left' ? [n * r1 + i, n * r2 + j] : [i * length + n, j * length + n];
        const at = side === 'left' ? n * r1 * r2 + i * r2 + j : (i * r2 + j) * length + n;
        result[at] = (x[a] ?? 0) * (y[b] ?? 0);
      }
  return result;
}
