/**
 * @file The drawings of every (concept, style), rendered once from the packages of emoji art and cached as raw pixels.
 * A sprite is square premultiplied RGBA; its drawing is trimmed and centred with a thin transparent margin. Halved
 * copies serve small scales.
 */
import { at } from '../../core/at.ts';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { KronaError } from '../../core/errors.ts';
import { writeWhole } from '../../core/files.ts';
import { visibleBox, type Box } from '../../core/pictures/visible-box.ts';
import type { ArtSet, PretrainData } from './concepts.ts';
import { creature, type Creature } from '../procedural/creatures.ts';
import { artFile, openIconSet } from './icon-set.ts';

/** Side of a sprite's largest level. */
export const spriteSide = 128;
/** Longer side of the drawing inside it: two transparent pixels remain on each side for bilinear edges. */
export const drawingSide = 124;
/** Sides of the levels that compositing chooses from. */
export const levelSides = [128, 64, 32] as const;

const levelBytes = levelSides.map((side) => side * side * 4);
const spriteBytes = levelBytes.reduce((sum, bytes) => sum + bytes, 0);

export interface Sprite {
  /** One RGBA array per entry of `levelSides`, premultiplied, 0–255. */
  readonly levels: readonly Uint8Array[];
  /** Width and height of the drawing as shares of its longer side. */
  readonly extent: readonly [number, number];
}

export interface CreatureSprite {
  readonly creature: Creature;
  readonly sprite: Sprite;
}

/** Creatures of a configuration that shows any, and their seed. */
const CREATURES = 768;
const CREATURE_SEED = 1;

const creatureCount = ({ placement }: PretrainData): number => (placement.creatures ? CREATURES : 0);

/** A set's package, as recorded beside the cache and in the model's licence file. */
export interface ArtVersion {
  readonly set: ArtSet;
  readonly package: string;
  readonly version: string;
}

export interface SpriteSheet {
  /** By concept index, then style index of the configuration. */
  readonly sprites: readonly (readonly Sprite[])[];
  readonly creatures: readonly CreatureSprite[];
  readonly versions: readonly ArtVersion[];
  /** All pixels, in memory that worker threads share. */
  readonly pixels: SharedArrayBuffer;
  /** Extents as [width, height] per sprite in the order of `pixels`. */
  readonly extents: readonly (readonly [number, number])[];
}

const packages: Readonly<Record<ArtSet, string>> = {
  twemoji: '@iconify-json/twemoji',
  'fluent-3d': '@lobehub/fluent-emoji-3d',
  noto: '@iconify-json/noto',
  'fluent-emoji-flat': '@iconify-json/fluent-emoji-flat',
};

/** Increased when rendering changes, so that older caches are ignored. */
const cacheFormat = 3;

/**
 * Loads the sprites of all concepts and styles, rendering those of a new configuration (about 2 ms each).
 *
 * @param cacheFolder written on first use; one pair of files per configuration of concepts, styles and versions.
 * @throws KronaError PRETRAIN_ART_MISSING when a package or a drawing is missing
 */
export async function loadSprites(data: PretrainData, cacheFolder: string): Promise<SpriteSheet> {
  const sets = [...new Set(data.styles.map((style) => style.set))];
  const versions = await Promise.all(sets.map(artVersion));
  const wanted = {
    cacheFormat,
    spriteSide,
    drawingSide,
    versions,
    hexes: data.concepts.map((c) => c.hex),
    creatures: creatureCount(data),
  };
  const key = createHash('sha256')
    .update(JSON.stringify([wanted, data.styles.map((style) => style.set)]))
    .digest('hex')
    .slice(0, 16);
  const rawPath = join(cacheFolder, `sprites-${key}.raw`);
  const notePath = join(cacheFolder, `sprites-${key}.json`);
  const bytes = (data.concepts.length * data.styles.length + creatureCount(data)) * spriteBytes;
  const pixels = new SharedArrayBuffer(bytes);

  let extents: [number, number][] | undefined;
  if (existsSync(rawPath) && existsSync(notePath)) {
    const raw = await readFile(rawPath);
    if (raw.byteLength === bytes) {
      new Uint8Array(pixels).set(raw);
      extents = (JSON.parse(await readFile(notePath, 'utf8')) as { extents: [number, number][] }).extents;
    }
  }
  if (!extents) {
    extents = await renderAll(data, pixels);
    await mkdir(cacheFolder, { recursive: true });
    await writeWhole(rawPath, new Uint8Array(pixels));
    await writeWhole(notePath, JSON.stringify({ ...wanted, extents }));
  }
  return { ...viewSprites(data, pixels, extents), versions, pixels, extents };
}

/** The sprites over pixels that another thread has loaded. */
export function viewSprites(
  data: PretrainData,
  pixels: SharedArrayBuffer,
  extents: readonly (readonly [number, number])[],
): Pick<SpriteSheet, 'sprites' | 'creatures'> {
  const view = (index: number): Sprite => {
    let offset = index * spriteBytes;
    const levels = levelBytes.map((bytes) => {
      const level = new Uint8Array(pixels, offset, bytes);
      offset += bytes;
      return level;
    });
    return { levels, extent: at(extents, index) };
  };
  const { concepts, styles } = data;
  const sprites = concepts.map((_concept, concept) =>
    styles.map((_style, style) => view(concept * styles.length + style)),
  );
  const creatures = Array.from({ length: creatureCount(data) }, (_, index) => ({
    creature: creature(CREATURE_SEED, index),
    sprite: view(concepts.length * styles.length + index),
  }));
  return { sprites, creatures };
}

export const artPackage = (set: ArtSet): string => packages[set];

/** Name and version of a set's installed package. */
export async function artVersion(set: ArtSet): Promise<ArtVersion> {
  const manifest = JSON.parse(await readFile(artFile(packages[set], 'package.json'), 'utf8')) as {
    version: string;
  };
  return { set, package: packages[set], version: manifest.version };
}

async function renderAll(data: PretrainData, pixels: SharedArrayBuffer): Promise<[number, number][]> {
  const sources = await Promise.all(data.styles.map((style) => openSet(style.set)));
  const extents: [number, number][] = [];
  let offset = 0;
  const keep = async (source: Buffer): Promise<void> => {
    const { levels, extent } = await renderSprite(source);
    for (const level of levels) {
      new Uint8Array(pixels, offset, level.length).set(level);
      offset += level.length;
    }
    extents.push(extent);
  };
  for (const concept of data.concepts) {
    for (const [styleIndex, style] of data.styles.entries()) {
      const source = await at(sources, styleIndex)(concept.hex);
      if (!source) {
        const name = `"${concept.word}" (${concept.hex})`;
        throw new KronaError(
          'PRETRAIN_ART_MISSING',
          `${style.set} has no drawing of ${name}; choose a concept that every style has.`,
        );
      }
      await keep(source);
    }
  }
  for (let index = 0; index < creatureCount(data); index++)
    await keep(Buffer.from(creature(CREATURE_SEED, index).svg));
  return extents;
}

/** Trims a drawing to its visible part and fits it into the sprite; premultiplied before any averaging. */
export async function renderSprite(
  source: Buffer,
): Promise<{ levels: Uint8Array[]; extent: [number, number] }> {
  const whole = await sharp(source).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  const raw = { width: whole.info.width, height: whole.info.height, channels: 4 as const };
  const fitted = await sharp(whole.data, { raw })
    .extract(drawnBox(whole.data, raw.width, raw.height))
    // Sharper kernels overshoot at edges by up to 17 of 255, which is seen as a light seam; this one by 4.
    .resize(drawingSide, drawingSide, { fit: 'inside', kernel: 'mitchell' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height } = fitted.info;
  const left = (spriteSide - width) >> 1;
  const top = (spriteSide - height) >> 1;
  const largest = new Uint8Array(spriteSide * spriteSide * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + x) * 4;
      const to = ((y + top) * spriteSide + x + left) * 4;
      const alpha = fitted.data[from + 3]!;
      for (let c = 0; c < 3; c++) largest[to + c] = Math.round((fitted.data[from + c]! * alpha) / 255);
      largest[to + 3] = alpha;
    }
  }
  const levels: Uint8Array[] = [largest];
  for (let side = spriteSide / 2; side >= at(levelSides, -1); side /= 2)
    levels.push(halve(at(levels, -1), side));
  const longer = Math.max(width, height);
  return { levels, extent: [width / longer, height / longer] };
}

/** The bounding box of all pixels that are more than faintly visible. */
function drawnBox(rgba: Uint8Array, width: number, height: number): Box {
  const box = visibleBox(width, height, (at) => rgba[4 * at + 3]! > 8);
  if (!box) throw new KronaError('PRETRAIN_ART_MISSING', 'A drawing is blank; choose another concept.');
  return box;
}

/** The mean of each 2×2 block; `side` is the result's. */
function halve(pixels: Uint8Array, side: number): Uint8Array {
  const half = new Uint8Array(side * side * 4);
  const row = side * 8;
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      for (let c = 0; c < 4; c++) {
        const at = y * 2 * row + x * 8 + c;
        const sum = pixels[at]! + pixels[at + 4]! + pixels[at + row]! + pixels[at + row + 4]!;
        half[(y * side + x) * 4 + c] = (sum + 2) >> 2;
      }
    }
  }
  return half;
}

/** A drawing's file by code points. */
export type DrawingLookup = (hex: string) => Promise<Buffer | undefined>;

/** @throws KronaError PRETRAIN_ART_MISSING when the package is not installed */
export async function openSet(set: ArtSet): Promise<DrawingLookup> {
  if (set === 'fluent-3d') {
    const folder = dirname(artFile(packages[set], 'package.json'));
    return async (hex) => {
      // Some file names contain Unicode's emoji variation selector and others don't.
      for (const name of [hex, `${hex}-FE0F`]) {
        const path = join(folder, 'assets', `${name.toLowerCase()}.webp`);
        if (existsSync(path)) return readFile(path);
      }
      return undefined;
    };
  }
  const names = JSON.parse(await readFile(artFile(packages[set], 'chars.json'), 'utf8')) as Record<
    string,
    string
  >;
  const icons = await openIconSet(packages[set]);
  return async (hex) => icons.svg(names[hex.toLowerCase()] ?? '');
}
