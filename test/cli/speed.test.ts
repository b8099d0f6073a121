/** `krona imagine` with an adapter for few steps and with previews. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeLora } from '../helpers/lora-file.ts';
import { tinyFolder } from '../helpers/sd-fixtures.ts';
import { krona, ROOT } from './run-krona.ts';

const TAESD = join(ROOT, 'test/fixtures/distilled/taesd');

let folder: string;
let speed: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-cli-speed-'));
  speed = await writeLora('sd15', join(folder, 'sd15_lightning_3step.safetensors'));
});
afterAll(() => rm(folder, { recursive: true }));

const imagine = (out: string, ...more: string[]) => {
  const request = ['--prompt', 'a cat', '--seed', '7', '--width', '32', '--height', '48', '--json'];
  return krona('imagine', '--model', tinyFolder('sd15'), '--out', join(folder, out), ...request, ...more);
};

it('takes steps and guidance from the name of a speed file, and draws a preview of each step', async () => {
  const drawn = await imagine('fast', '--speed', speed, '--negative', 'dogs', '--previews', TAESD);
  expect(drawn.stderr).toMatch(/Without effect: --negative\. For that, give --guidance above 1\./);
  expect(drawn.code).toBe(0);
  const files = (await readdir(join(folder, 'fast'))).sort();
  // No preview of the last of the three steps, which gives the picture.
  expect(files).toEqual(['a-cat-7-1-step-1.png', 'a-cat-7-1-step-2.png', 'a-cat-7-1.png']);
  for (const file of files)
    expect(await sharp(join(folder, 'fast', file)).metadata()).toMatchObject({ width: 32, height: 48 });
});

it('enlarges previews without a tiny decoder; options replace what the name says', async () => {
  const drawn = await imagine('own', '--speed', speed, '--steps', '2', '--previews');
  expect(drawn.code).toBe(0);
  const files = (await readdir(join(folder, 'own'))).sort();
  expect(files).toEqual(['a-cat-7-1-step-1.png', 'a-cat-7-1.png']);
  const preview = await sharp(join(folder, 'own', 'a-cat-7-1-step-1.png')).metadata();
  expect(preview).toMatchObject({ width: 32, height: 48 });
});

it('refuses a speed file of another base, and one that says no way to draw', async () => {
  const other = await imagine('other', '--speed', await writeLora('sdxl', join(folder, 'lcm.safetensors')));
  expect(JSON.parse(other.stdout)).toMatchObject({
    error: {
      code: expect.stringMatching(/^ADAPTER_(BASE_MISMATCH|TARGETS_UNSUPPORTED)$/) as string,
      message: expect.stringContaining('Use the model that it was made for') as string,
    },
  });
  const unnamed = await imagine(
    'none',
    '--speed',
    await writeLora('sd15', join(folder, 'mochi.safetensors')),
  );
  expect(JSON.parse(unnamed.stdout)).toMatchObject({ error: { code: 'SPEED_UNKNOWN' } });
});
