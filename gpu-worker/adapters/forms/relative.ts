/**
 * @file Changes that are a function of the base weight W [out, in·kh·kw] itself: GLoRA (arXiv 2306.07967), OFT
 * (arXiv 2306.07280), BOFT (arXiv 2311.06243) and IA³ (arXiv 2205.05638). Read only, as the difference that they make to
 * the weight of the model that they are read for. Formats: LyCORIS `glora.py`, `diag_oft.py`, `boft.py`, `ia3.py`.
 */
import { KronaError } from '../../../core/errors.ts';
import { readFloats, readNumber, type StoredTensor } from '../../models/safetensors.ts';
import { DifferenceLayer, DifferenceShape } from './difference.ts';
import {
  invalid,
  matrixSides,
  type FileForm,
  type FileModule,
  type Scaling,
  type StoredLayer,
} from './form.ts';
import { multiply, multiplyChannels } from './matrices.ts';
import { butterfly, cayley, rotate } from './rotations.ts';

/** ΔW of a weight, or of a bias. */
type Change = (weight: Float32Array, shape: readonly number[]) => Float32Array;

/** Sides that the weight must have; null where the file doesn't tell one. */
type Sides = readonly [out: number | null, inputs: number | null];

/** @param changeOf reads the module's tensors; its scale is 1 without `scaling` */
function relativeLayer(
  { file, name }: FileModule,
  sides: Sides,
  scaling: Scaling | null,
  changeOf: (scale: number) => Promise<Change>,
  end: '.weight' | '.bias' = '.weight',
): StoredLayer {
  const part = end === '.weight' ? 'diff' : 'diff_b';
  const layer = (shape: DifferenceShape): StoredLayer => ({
    end,
    shape,
    scaling,
    fit(weight) {
      const [out = 0, inputs = 0] = weight;
      const fits = (sides[0] ?? out) === out && (sides[1] ?? inputs) === inputs;
      return fits ? layer(new DifferenceShape(part, weight)) : null;
    },
    async read(scale, base) {
      if (base === undefined)
        throw new KronaError(
          'ADAPTER_NEEDS_MODEL',
          `${file.name} changes ${name} by a product with the model's own weights. Name the model that it is for with --model.`,
        );
      const change = await changeOf(scale);
      return new DifferenceLayer(shape, change(await base(), shape.shape));
    },
  });
  return layer(new DifferenceShape(part, [sides[0] ?? 0, sides[1] ?? 0]));
}

function required({ file, name, parts }: FileModule, part: string): StoredTensor {
  const tensor = parts.get(part);
  if (tensor === undefined) throw invalid(file, `has no ${part} of ${name}`);
  return tensor;
}

/** Sides of a matrix, or of a convolution without its kernel, which is 1×1 unless `kernels`. */
function sidesOf(module: FileModule, part: string, kernels: boolean): readonly [number, number] {
  const { shape } = required(module, part);
  const plain = kernels || shape.slice(2).every((side) => side === 1);
  const sides = plain && [2, 4].includes(shape.length) ? matrixSides(shape.slice(0, 2)) : null;
  if (sides === null)
    throw invalid(
      module.file,
      `gives ${part} of ${module.name} the shape [${shape.join(', ')}]; expected a matrix`,
    );
  return sides;
}

/** ΔW = alpha/rank · (W · A + B), A and B each a product of rank r. Old files name the factors the other way round. */
export const glora: FileForm = {
  format: 'glora',
  suffixes: [[/\.(a1|a2|b1|b2|bm)\.weight$/, null]],

  open(module) {
    const { file, name, parts } = module;
    if (parts.has('bm'))
      throw new KronaError(
        'ADAPTER_METHOD_UNSUPPORTED',
        `${file.name} holds GLoRA with a Tucker core in ${name}; only GLoRA of matrices is read.`,
      );
    const [a1, a2, b1, b2] = ['a1', 'a2', 'b1', 'b2'].map((part) =>
      sidesOf(module, part, part.startsWith('b')),
    );
    if (!a1 || !a2 || !b1 || !b2) throw invalid(file, `must hold four factors of ${name}`);
    const old = a1[0] === a2[1] && a1[1] === a2[0] && b2[1] === b1[0] && a1[0] <= a1[1];
    const [enter, leave, up, down] = old ? ['a2', 'a1', 'b2', 'b1'] : ['a1', 'a2', 'b1', 'b2'];
    const [inputs, rank] = old ? a2 : a1;
    const [out, inner] = old ? b2 : b1;
    const [last, width] = old ? b1 : b2;
    if (last !== inner || width !== inputs || (old ? a1 : a2)[1] !== inputs)
      throw invalid(file, `gives ${name} four factors that don't make products`);
    return [
      relativeLayer(module, [out, inputs], { kind: 'glora', rank: inner }, async (scale) => {
        const read = (part: string) => readFloats(required(module, part));
        const [l, r] = [await read(enter), await read(leave)];
        const added = multiply(await read(up), await read(down), inner);
        return (weight) => {
          if (added.length !== weight.length)
            throw invalid(
              file,
              `changes ${name} by ${added.length} numbers, and its weight has ${weight.length}`,
            );
          const area = weight.length / (out * inputs);
          const moved = multiplyChannels(multiplyChannels(weight, l, inputs, area), r, rank, area);
          return moved.map((value, i) => (value + (added[i] ?? 0)) * scale);
        };
      }),
    ];
  },
};

/** ΔW = (R − I) · W with R of orthogonal blocks; BOFT multiplies several such R, each on rows in another order. */
export const oft: FileForm = {
  format: 'oft',
  suffixes: [[/\.(oft_blocks|rescale)$/, null]],

  open(module) {
    const { file, name, parts } = module;
    const blocks = required(module, 'oft_blocks');
    const [side = 0, other = 0] = blocks.shape.slice(-2);
    const [stages, count] = blocks.shape.length === 4 ? blocks.shape : [1, blocks.shape[0]];
    const out = (count ?? 0) * side;
    const staged = blocks.shape.length === 4;
    const paired = !staged || (side % 2 === 0 && out % (2 ** ((stages ?? 1) - 1) * side) === 0);
    if (![3, 4].includes(blocks.shape.length) || side !== other || !paired)
      throw invalid(file, `gives ${name} blocks [${blocks.shape.join(', ')}]; expected square ones that fit`);
    return [
      relativeLayer(module, [out, null], null, async () => {
        const alpha = parts.get('alpha');
        const limit = alpha === undefined ? 0 : (await readNumber(alpha)) * out;
        const turns = cayley(await readFloats(blocks), side, limit);
        const rescale = parts.get('rescale');
        const factors = rescale && (await readFloats(rescale));
        return (weight) => {
          const turned = staged ? butterfly(weight, turns, out, stages ?? 1) : rotate(weight, turns, out);
          const columns = weight.length / out;
          return turned.map(
            (value, i) => value * (factors?.[Math.floor(i / columns)] ?? 1) - (weight[i] ?? 0),
          );
        };
      }),
    ];
  },
};

/** Each row of W, or each column, times 1 + its own number; PEFT's `ia3_l` holds the whole factor, of the bias too. */
export const ia3: FileForm = {
  format: 'ia3',
  suffixes: [
    [/\.on_input$/, 'on_input'],
    [/\.ia3_l$/, 'ia3_l'],
  ],

  open(module) {
    const peft = module.parts.get('ia3_l');
    const factor = peft ?? required(module, 'weight');
    // LyCORIS says by a mark which side it is on; PEFT by the shape, [out, 1] or [1, in].
    const onInput = async () =>
      peft ? peft.shape[0] === 1 : (await readNumber(required(module, 'on_input'))) !== 0;
    const change = async (): Promise<Change> => {
      const [numbers, byColumn] = [await readFloats(factor), await onInput()];
      return (weight, shape) => {
        const [out = 1, inputs = 1] = shape;
        const side = byColumn ? inputs : out;
        if (numbers.length !== side)
          throw invalid(
            module.file,
            `has ${numbers.length} factors for ${module.name}, which has ${side} ${byColumn ? 'columns' : 'rows'}`,
          );
        // A row's numbers lie together, a column's in each row: area of them, the kernel's.
        const run = byColumn ? weight.length / (out * inputs) : weight.length / out;
        return weight.map(
          (value, i) => value * ((numbers[Math.floor(i / run) % side] ?? 0) - (peft ? 1 : 0)),
        );
      };
    };
    const weight = relativeLayer(module, [null, null], null, change);
    if (peft === undefined || peft.shape[0] === 1) return [weight];
    return [weight, { ...relativeLayer(module, [null, null], null, change, '.bias'), optional: true }];
  },
};
