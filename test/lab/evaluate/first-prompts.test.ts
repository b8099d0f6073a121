import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { embeddedModel } from '../../../core/package.ts';
import { drawFirstPrompts } from '../../../lab/evaluate/first-prompts.ts';
import { defaultConfigPath } from '../../../lab/pretrain/pretrain-config.ts';

let folder: string;
beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), 'krona-prompts-'))));
afterAll(() => rm(folder, { recursive: true, force: true }));

it('draws each prompt of a list, also of unknown words, on one sheet', async () => {
  const list = join(folder, 'list.json');
  await writeFile(list, JSON.stringify(['cat', 'a qwrtz in the style of 北斎']));
  const out = join(folder, 'out');
  const steps: number[] = [];
  const sheet = await drawFirstPrompts({
    model: embeddedModel,
    config: defaultConfigPath,
    out,
    prompts: list,
    onProgress: ({ step }) => steps.push(step),
  });
  expect(steps).toEqual([1, 2]);
  const { width, height } = await sharp(sheet).metadata();
  expect(width).toBeGreaterThan(256);
  expect(height).toBeGreaterThan(128);
  for (const name of ['000.png', '001.png']) {
    const { channels } = await sharp(join(out, name)).stats();
    // Something is drawn: the picture isn't of one colour.
    expect(Math.max(...channels.map(({ stdev }) => stdev)), name).toBeGreaterThan(10);
  }
});

it('refuses a list that is none, naming the file', async () => {
  const list = join(folder, 'wrong.json');
  for (const text of ['{}', '[]', '["", "cat"]', 'cat', '[1]']) {
    await writeFile(list, text);
    await expect(
      drawFirstPrompts({ model: embeddedModel, config: defaultConfigPath, out: folder, prompts: list }),
    ).rejects.toMatchObject({ code: 'PROMPTS_INVALID' });
  }
});
