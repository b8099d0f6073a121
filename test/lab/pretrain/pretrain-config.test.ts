import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultConfigPath, readPretrainConfig } from '../../../lab/pretrain/pretrain-config.ts';

let folder: string;
let shipped: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-config-'));
  shipped = await readFile(defaultConfigPath, 'utf8');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Reads the shipped configuration with one value changed; `undefined` takes it away. */
async function read(path: string, value: unknown): Promise<unknown> {
  const config = JSON.parse(shipped) as Record<string, unknown>;
  const keys = path.split('.');
  let at = config;
  for (const key of keys.slice(0, -1)) at = at[key] as Record<string, unknown>;
  at[keys.at(-1)!] = value;
  const file = join(folder, 'config.json');
  await writeFile(file, JSON.stringify(config));
  return readPretrainConfig(file);
}

describe('the pretraining configuration', () => {
  it('of the shipped model is valid, and so are words in other scripts', async () => {
    await expect(read('training.seed', 2)).resolves.toMatchObject({ training: { seed: 2 } });
    await expect(read('data.concepts.0.word', 'кот')).resolves.toBeDefined();
    await expect(read('data.concepts.0.also', ['ネコ', "cat o'nine"])).resolves.toBeDefined();
  });

  it.each<[path: string, value: unknown, message: RegExp]>([
    ['data', undefined, /"data" is missing/],
    ['data', 'cats', /"data" is "cats"; expected Object/],
    ['data.size', 100, /"data\.size" is 100; expected a multiple of 16/],
    ['data.concepts', [], /"data\.concepts" has no entries/],
    ['data.concepts.3.word', undefined, /"data\.concepts\.3\.word" is missing/],
    ['data.concepts.3.word', 'Lion', /"data\.concepts\.3\.word" is "Lion"; expected words in lower case/],
    ['data.concepts.3.word', 'cat', /the concept "cat" occurs twice/],
    ['data.concepts.3.hex', 'lion', /expected code points in upper-case hexadecimal/],
    ['data.concepts.3.colour', 'red', /"data\.concepts\.3\.colour" is unknown/],
    ['data.styles.1.set', 'openmoji', /"data\.styles\.1\.set" is "openmoji"; expected .*"fluent-3d"/],
    [
      'data.backgrounds.0.rgb',
      [0, 0, 256],
      /"data\.backgrounds\.0\.rgb\.2" is 256; expected a number from 0 to 255/,
    ],
    ['data.placement', undefined, /"data\.placement" is missing/],
    [
      'data.placement.pairs',
      0.95,
      /corners \+ counts \+ pairs \+ wearing \+ sizes is 1\.19.*; expected 1 at most/,
    ],
    ['data.placement.scale', [1, 0.8], /"data\.placement\.scale" is \[1, 0\.8\]; expected the smaller first/],
    ['data.heldOut.modulus', 1, /"data\.heldOut\.modulus" is 1; expected at least 2/],
    ['data.crops.side', 60, /"data\.crops\.side" is 60; expected a multiple of 8/],
    ['models', undefined, /"models\.vae" is missing/],
    ['models.unet', undefined, /"models\.unet" is missing/],
    [
      'models.scheduler.prediction_type',
      'sample',
      /"prediction_type" is "sample"; supported: epsilon, v_prediction/,
    ],
    ['models.unet.cross_attention_dim', 64, /cross_attention_dim .* is 64, expected 256/],
    ['training', undefined, /"training" is missing/],
    ['training.diffusion.lr', '1e-3', /"training\.diffusion\.lr" is "1e-3"; expected number/],
    ['training.diffusion.batch', 0, /"training\.diffusion\.batch" is 0; expected at least 1/],
    ['training.diffusion.averageDecay', 1, /"training\.diffusion\.averageDecay" is 1; expected less than 1/],
    ['training.latents.pictures', 1000, /"training\.latents\.pictures" is 1000; expected .*1024/],
    ['training.latents.batch', 48, /"training\.latents\.batch" is 48; expected a divisor of 1024/],
  ])('with %s as %j is refused, saying what is wrong', async (path, value, message) => {
    const code = expect.stringMatching(/^(PRETRAIN_CONFIG|MODEL_CONFIG_(INVALID|UNSUPPORTED))$/) as string;
    await expect(read(path, value)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
    });
  });

  it("that isn't JSON, or isn't an object, is refused", async () => {
    for (const text of ['{', '[]', '3', 'null']) {
      const file = join(folder, 'other.json');
      await writeFile(file, text);
      await expect(readPretrainConfig(file)).rejects.toMatchObject({ code: 'PRETRAIN_CONFIG' });
    }
  });
});
