/**
 * @file Reads the weights of nsfwjs' MobileNetV2 from its package: base64 of one byte a value, with min and scale of each
 * tensor (TensorFlow.js' weight manifest), in Keras' names and layouts. TensorFlow.js isn't needed.
 */
import { at } from '../../core/at.ts';
import { KronaError } from '../../core/errors.ts';
import * as op from '../graph/ops.ts';
import { sizeOf, type Tensor } from '../graph/tensor.ts';
import { CONVOLUTION, transposed, type StoredNumbers } from '../models/keras-layout.ts';

/** Keras' BatchNormalization of this model. */
const EPS = 1e-3;

interface ManifestEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly quantization: { readonly min: number; readonly scale: number };
}

interface Manifest {
  readonly weightsManifest: readonly { readonly weights: readonly ManifestEntry[] }[];
}

/** The exports of `nsfwjs/models/mobilenet_v2` that are used; the package's own types need TensorFlow.js'. */
interface BundledModel {
  readonly modelJson: () => Promise<{ readonly default: Manifest }>;
  readonly weightBundles: readonly (() => Promise<{ readonly default: string }>)[];
}

/**
 * The parameters by the names that mobilenet.ts asks for: convolutions [out,in,h,w] with batch normalisation folded
 * in, dense layers [out,in].
 *
 * @throws KronaError SAFETY_MODEL_MISSING if the package is missing
 */
export async function readNsfwWeights(): Promise<Map<string, Tensor>> {
  const stored = await readStored();
  const parameters = new Map<string, Tensor>();
  for (const [name, kernel] of stored) {
    const [, layer, what] = /^(.+)\/(kernel|depthwise_kernel)$/.exec(name) ?? [];
    if (layer === undefined) continue;
    const bias = stored.get(`${layer}/bias`);
    const { weight, shift } = bias
      ? { weight: transposed(kernel, [1, 0]), shift: bias.data }
      : folded(transposed(kernel, what === 'kernel' ? CONVOLUTION : [2, 3, 0, 1]), normOf(stored, layer));
    parameters.set(`${layer}.weight`, op.constant(weight.data, weight.shape));
    parameters.set(`${layer}.bias`, op.constant(shift, [shift.length]));
  }
  return parameters;
}

async function readStored(): Promise<Map<string, StoredNumbers>> {
  const { modelJson, weightBundles } = await bundledModel();
  const { default: manifest } = await modelJson();
  const bundles = weightBundles.map(async (load) => Buffer.from((await load()).default, 'base64'));
  const bytes = Buffer.concat(await Promise.all(bundles));
  const stored = new Map<string, StoredNumbers>();
  let offset = 0;
  for (const { name, shape, quantization } of manifest.weightsManifest.flatMap(({ weights }) => weights)) {
    const { min, scale } = quantization;
    const size = sizeOf(shape);
    const data = new Float32Array(bytes.subarray(offset, offset + size)).map((byte) => byte * scale + min);
    stored.set(name, { shape, data });
    offset += size;
  }
  return stored;
}

async function bundledModel(): Promise<BundledModel> {
  try {
    // Loaded on first use: 3.5 MB of text.
    const bundle: unknown = await import('nsfwjs/models/mobilenet_v2');
    return (bundle as { readonly MobileNetV2Model: BundledModel }).MobileNetV2Model;
  } catch (cause) {
    throw new KronaError(
      'SAFETY_MODEL_MISSING',
      'The safety check needs the package nsfwjs, which cannot be loaded. Run npm install, or let a moderator turn the check off with `/krona rules set safety:off`.',
      { cause },
    );
  }
}

/** scale and shift of a layer's batch normalisation: γ/√(σ² + ε) and β − μ · scale. */
function normOf(stored: ReadonlyMap<string, StoredNumbers>, layer: string) {
  const name = [`${layer}_BN`, `${layer}_bn`, `bn_${layer}`].find((each) => stored.has(`${each}/gamma`));
  const of = (what: string): Float32Array => {
    const found = stored.get(`${name}/${what}`);
    if (!found) throw new Error(`nsfwjs has no ${what} of ${layer}`);
    return found.data;
  };
  const variance = of('moving_variance');
  const scale = of('gamma').map((gamma, i) => gamma / Math.sqrt(at(variance, i) + EPS));
  const mean = of('moving_mean');
  return { scale, shift: of('beta').map((beta, i) => beta - at(mean, i) * at(scale, i)) };
}

/** A convolution with the scaling of its results in its weights. */
function folded(
  kernel: StoredNumbers,
  { scale, shift }: { readonly scale: Float32Array; readonly shift: Float32Array },
): { readonly weight: StoredNumbers; readonly shift: Float32Array } {
  const each = kernel.data.length / scale.length;
  const data = kernel.data.map((value, i) => value * at(scale, Math.floor(i / each)));
  return { weight: { shape: kernel.shape, data }, shift };
}
