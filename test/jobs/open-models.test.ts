/** The engine keeps as many models open as memory allows. */
import { expect, it } from 'vitest';
import { OpenModels } from '../../gpu-worker/engine/open-models.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import { sizeOf } from '../../gpu-worker/graph/shapes.ts';
import { TextToImage } from '../../gpu-worker/sampling/text-to-image.ts';
import { TINY_MODEL } from '../helpers/fixtures.ts';
import { tinyFolder } from '../helpers/sd-fixtures.ts';

const bytesOf = async (path: string): Promise<number> => {
  const { unet, vae, textEncoders } = await openModel(path);
  const shapes = [unet, vae, ...textEncoders].flatMap(({ tensors }) => [...tensors.values()]);
  return 4 * shapes.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
};

it('closes those that were used longest ago until the next one fits; those that draw together stay', async () => {
  const [a, b, c] = [TINY_MODEL, tinyFolder('sd15'), tinyFolder('sd21')];
  const sizes = new Map<string, number>();
  for (const path of [a, b, c]) sizes.set(path, await bytesOf(path));
  const two = sizes.get(a)! + Math.max(sizes.get(b)!, sizes.get(c)!);
  // 0.6 of the memory holds weights.
  const models = new OpenModels(two / 0.6 + 1);
  const painter = await models.painter(a);
  await models.painter(b);
  expect(models.open).toEqual([a, b]);
  expect(await models.painter(a)).toBe(painter);
  await models.painter(c);
  expect(models.open).toEqual([a, c]);
  await models.painter(b, [a]);
  expect(models.open).toEqual([a, b]);
  await models.forget(a);
  expect(models.open).toEqual([b]);
  expect(await models.painter(a)).toBeInstanceOf(TextToImage);
  await models.forget(a);
  await models.forget(b);
});
