/** Programs for cards merge Kronecker layers into the weights, a group at a time: the same pictures as products with the factors. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  adapterLayers,
  adapterLayout,
  type AdapterLayers,
  type AdapterShapes,
} from '../../gpu-worker/adapters/adapter.ts';
import { adapterFeeds, adapterInputs } from '../../gpu-worker/adapters/adapter-inputs.ts';
import { KroneckerShape } from '../../gpu-worker/adapters/forms/kronecker.ts';
import { ADAPTER_METHODS } from '../../gpu-worker/adapters/methods.ts';
import { onnxModel } from '../../gpu-worker/graph/compile.ts';
import { useDevice } from '../../gpu-worker/graph/device.ts';
import { DIALECTS, type Dialect } from '../../gpu-worker/graph/dialect.ts';
import { relativeError } from '../../gpu-worker/graph/relative-error.ts';
import { frozenParameters } from '../../gpu-worker/models/parameters.ts';
import type { ModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { publishedModel } from '../../gpu-worker/models/published-model.ts';
import { unet, unetInputs } from '../../gpu-worker/models/unet.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import { KeyedRandom } from '../../core/random.ts';
import { adaptedOutput, adaptedText } from '../helpers/adapted.ts';
import { TINY_MODEL } from '../helpers/fixtures.ts';

let model: ModelFolder;
beforeAll(async () => {
  model = await openModel(TINY_MODEL);
});
afterEach(() => useDevice('cpu'));

const CARD: Dialect = { ...DIALECTS.cuda, drawing: 'float32' };

/** What `compute` gives on a card, run on the CPU, and in a plain program. */
async function both<T>(compute: () => Promise<T>, card = CARD): Promise<{ found: T; expected: T }> {
  useDevice('cpu', card);
  const found = await compute();
  useDevice('cpu');
  return { found, expected: await compute() };
}

/** Layers whose change is large enough to see. */
const filled = (shapes: AdapterShapes): AdapterLayers =>
  adapterLayers(
    shapes,
    new KeyedRandom(1, 'layers').normals(adapterLayout(shapes).length).map((x) => 0.3 * x),
  );

const TARGETS = ['attention', 'feed-forward', 'text-encoders'] as const;
const krona = (): AdapterShapes => ADAPTER_METHODS.krona.shapes(model, { a1: 4, a2: 2, targets: TARGETS });

describe('a UNet has the values of plain programs', () => {
  it.each<[string, () => AdapterShapes]>([
    ['with the attention’s projections', () => ADAPTER_METHODS.krona.shapes(model, { a1: 4, a2: 2 })],
    ['with all matrices', krona],
    [
      "with rows in DiffuseKronA's order",
      () =>
        new Map(
          [...krona()].map(([path, shape]) => [
            path,
            shape instanceof KroneckerShape ? new KroneckerShape({ ...shape, rowOrder: 'b-major' }) : shape,
          ]),
        ),
    ],
    [
      'with LoRA in between',
      () => {
        const lora = ADAPTER_METHODS.lora.shapes(model, { a1: 1, a2: 1, rank: 2 });
        return new Map(
          [...krona()].map(([path, shape], i) => [path, (i % 3 === 1 ? lora.get(path) : null) ?? shape]),
        );
      },
    ],
  ])('%s', async (_, shapes) => {
    const layers = filled(shapes());
    const { found, expected } = await both(() => adaptedOutput(model, layers, 0.7));
    expect(relativeError(found, expected)).toBeLessThan(1e-5);
    const plain = await adaptedOutput(model, new Map());
    expect(relativeError(plain, expected)).toBeGreaterThan(1e-2);
  });

  it('in 16 bits, within their digits', async () => {
    const layers = filled(krona());
    const { found, expected } = await both(() => adaptedOutput(model, layers), DIALECTS.cuda);
    expect(relativeError(found, expected)).toBeLessThan(2e-2);
  });
});

it('text encoders have the values of plain programs', async () => {
  const layers = filled(krona());
  const { found, expected } = await both(() => adaptedText(model, layers, 'a cat on the moon'));
  expect(relativeError(found.states, expected.states)).toBeLessThan(1e-5);
});

it('the second adapter is fed to the program of the first', async () => {
  useDevice('cpu', CARD);
  const [one, other] = [filled(krona()), filled(krona())];
  expect(Object.keys(adapterFeeds([{ layers: one, strength: 1 }]))).toEqual(
    Object.keys(adapterFeeds([{ layers: other, strength: 1 }])),
  );
});

it("SDXL's sampling step takes at most 1.3 times as many launches with an adapter", () => {
  useDevice('cuda');
  const sdxl = publishedModel('sdxl', '/weights.safetensors');
  const { config, tensors, name } = sdxl.unet;
  /** Operators that launch something: reshapes are views, and what depends on weights only is computed once. */
  const launches = (shapes: readonly AdapterShapes[]): number => {
    const parameters = adapterInputs(shapes)(frozenParameters(name, tensors), '');
    const prediction = unet(config, parameters, unetInputs(config, 2, 128, 128, 77));
    const { nodes, initializers } = onnxModel({ prediction }, { precision: 'float16' });
    const fixed = new Set(initializers.map((each) => each.name));
    let count = 0;
    for (const { type, inputs, outputs } of nodes) {
      if (inputs.every((x) => x === '' || fixed.has(x))) for (const output of outputs) fixed.add(output);
      else if (type !== 'Reshape' && type !== 'Identity') count++;
    }
    return count;
  };
  const adapter = ADAPTER_METHODS.krona.shapes(sdxl, { a1: 4, a2: 64 });
  expect(launches([adapter]) / launches([])).toBeLessThan(1.3);
});
