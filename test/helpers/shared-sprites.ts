/** @file Rendered drawings that all test files share: the model's own recipe has over a thousand. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PretrainData } from '../../lab/pretrain/concepts.ts';
import { readPretrainData } from '../../lab/pretrain/pretrain-config.ts';
import { loadSprites, type SpriteSheet } from '../../lab/pretrain/sprites.ts';

const ROOT = join(import.meta.dirname, '../..');
/** Files that decide how a drawing is rendered. `loadSprites` itself looks at the configuration and the art's versions. */
const RENDERERS = [
  'core/pictures/visible-box.ts',
  'lab/pretrain/icon-set.ts',
  'lab/pretrain/sprites.ts',
  ...['bodies', 'creatures', 'faces', 'svg-parts'].map((name) => `lab/procedural/${name}.ts`),
  'node_modules/sharp/package.json',
];

async function sharedFolder(): Promise<string> {
  const hash = createHash('sha256');
  for (const path of RENDERERS) hash.update(await readFile(join(ROOT, path)));
  return join(tmpdir(), `krona-sprites-${hash.digest('hex').slice(0, 16)}`);
}

/** Sprites of a configuration, rendered by the first test that asks. */
export const sharedSprites = async (data: PretrainData): Promise<SpriteSheet> =>
  loadSprites(data, await sharedFolder());

/** Makes the shared sprites those of an evaluation's folder, with the model's own recipe in it. */
export async function linkSprites(out: string): Promise<void> {
  await sharedSprites(await readPretrainData());
  await mkdir(out, { recursive: true });
  await symlink(await sharedFolder(), join(out, 'sprites'));
}
