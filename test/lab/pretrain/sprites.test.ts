import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toBytes } from '../../../core/pictures/rgb-bytes.ts';
import { composite, type PlacedSprite } from '../../../lab/pretrain/composite.ts';
import { artSets, type PretrainData } from '../../../lab/pretrain/concepts.ts';
import { readPretrainData } from '../../../lab/pretrain/pretrain-config.ts';
import { loadSprites, type Sprite } from '../../../lab/pretrain/sprites.ts';

let folder: string;
let small: PretrainData;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-sprites-'));
  const data = await readPretrainData();
  const concepts = data.concepts.filter(({ word }) =>
    ['cat', 'heart', 'warning sign', 'thumbs up'].includes(word),
  );
  small = { ...data, concepts, styles: artSets.map((set) => ({ word: set, set })) };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A picture of 64×64 with one drawing in its middle. */
function picture(
  sprite: Sprite,
  rgb: [number, number, number],
  placed: Partial<PlacedSprite> = {},
): Uint8Array {
  const image = new Float32Array(3 * 64 * 64);
  composite(image, 0, { left: 0, top: 0, width: 64, height: 64 }, rgb, [
    { sprite, x: 32, y: 32, side: 56, angle: 0, mirror: false, ...placed },
  ]);
  return toBytes(image);
}
const at = (bytes: Uint8Array, x: number, y: number) => [
  ...bytes.subarray((y * 64 + x) * 3, (y * 64 + x) * 3 + 3),
];

describe('sprites', () => {
  it('are rendered from all four sets with a thin margin, and record the versions', async () => {
    const { sprites, versions } = await loadSprites(small, folder);
    expect(versions.map(({ set }) => set)).toEqual([...artSets]);
    for (const { version } of versions) expect(version).toMatch(/^\d+\.\d+\.\d+/);
    for (const [concept, styles] of sprites.entries()) {
      for (const [style, sprite] of styles.entries()) {
        const name = `${small.concepts[concept]!.word} of ${artSets[style]!}`;
        const [pixels] = sprite.levels;
        let [visible, tooBright, outside] = [0, 0, 0];
        for (let pixel = 0; pixel < 128 * 128; pixel++) {
          const [r, g, b, alpha] = pixels!.subarray(pixel * 4, pixel * 4 + 4) as unknown as number[];
          if (alpha! > 127) visible++;
          if (Math.max(r!, g!, b!) > alpha!) tooBright++;
          const [x, y] = [pixel % 128, Math.floor(pixel / 128)];
          if (alpha! > 0 && (x < 2 || y < 2 || x > 125 || y > 125)) outside++;
        }
        expect({ tooBright, outside }, name).toEqual({ tooBright: 0, outside: 0 });
        expect(visible / 128 ** 2, name).toBeGreaterThan(0.25);
        expect(Math.max(...sprite.extent), name).toBe(1);
      }
    }
  });

  it('come from the cache the second time, and are rendered again if it is truncated', async () => {
    const first = await loadSprites(small, folder);
    const raw = join(
      folder,
      (await readdir(folder)).find((name) => name.endsWith('.raw'))!,
    );
    const written = (await stat(raw)).mtimeMs;
    const second = await loadSprites(small, folder);
    expect((await stat(raw)).mtimeMs).toBe(written);
    expect(Buffer.compare(Buffer.from(second.pixels), Buffer.from(first.pixels))).toBe(0);
    expect(second.extents).toEqual(first.extents);
    await writeFile(raw, 'cut');
    const third = await loadSprites(small, folder);
    expect(Buffer.compare(Buffer.from(third.pixels), Buffer.from(first.pixels))).toBe(0);
  });

  it('name the concept that a set lacks', async () => {
    const concepts = [...small.concepts, { hex: '1F99', word: 'nothing' }];
    await expect(loadSprites({ ...small, concepts }, folder)).rejects.toMatchObject({
      code: 'PRETRAIN_ART_MISSING',
      message: expect.stringContaining('"nothing" (1F99)') as string,
    });
  });
});

describe('composites', () => {
  it('blend edges without a dark or light seam, and leave no trace outside the drawing', async () => {
    const { sprites } = await loadSprites(small, folder);
    const heart = sprites[small.concepts.findIndex(({ word }) => word === 'heart')]![0]!;
    // A red heart on its own red: with colour mixed before cover, edges would be darker than both.
    const own = at(picture(heart, [0, 0, 0]), 32, 32) as [number, number, number];
    const bytes = picture(heart, own);
    const apart = [...bytes].map((value, index) => Math.abs(value - own[index % 3]!));
    expect(Math.max(...apart)).toBeLessThanOrEqual(4);
    expect(at(picture(heart, [10, 200, 30]), 1, 1)).toEqual([10, 200, 30]);
  });

  it('are the same at any scale up to blur, mirror about the centre, and rotate clockwise', async () => {
    const { sprites } = await loadSprites(small, folder);
    const thumb = sprites[small.concepts.findIndex(({ word }) => word === 'thumbs up')]![0]!;
    const plain = picture(thumb, [255, 255, 255]);
    const mirrored = picture(thumb, [255, 255, 255], { mirror: true });
    const turned = picture(thumb, [255, 255, 255], { angle: Math.PI / 2 });
    let [same, mirroredSame] = [0, 0];
    for (let y = 0; y < 64; y++) {
      for (let x = 0; x < 64; x++) {
        if (at(mirrored, 63 - x, y).join() === at(plain, x, y).join()) mirroredSame++;
        // A quarter turn clockwise takes the top to the right: (x, y) → (63 − y, x).
        const [a, b] = [at(turned, 63 - y, x), at(plain, x, y)];
        if (a.every((value, c) => Math.abs(value - b[c]!) <= 2)) same++;
      }
    }
    expect(mirroredSame).toBe(64 * 64);
    expect(same).toBeGreaterThan(64 * 64 * 0.995);
    expect(plain).not.toEqual(mirrored);
    // Mean colour over the drawing's square does not depend on which halved copy was used.
    const mean = (side: number) => {
      const bytes = picture(thumb, [0, 0, 0], { side });
      return bytes.reduce((sum, value) => sum + value, 0) / side ** 2;
    };
    expect(mean(14) / mean(56)).toBeCloseTo(1, 1);
    expect(mean(28) / mean(56)).toBeCloseTo(1, 1);
  });
});
