/**
 * @file The drawings that the autoencoder is trained and measured on: all sets, including those of the judges, and
 * generated drawings. A third of each set is held out by emoji, so that no other set shows those emoji either. The
 * comparison's subjects are held out too.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeWhole } from '../../core/files.ts';
import { JUDGE_SETS, namedEmoji, openJudgeArt, plainName, type NamedEmoji } from '../evaluate/judge-art.ts';
import { readSubjects } from '../evaluate/subjects.ts';
import { artSets, type ArtSet, type PretrainData } from '../pretrain/concepts.ts';
import { hashName } from '../pretrain/held-out.ts';
import { photoTiles } from './photo-tiles.ts';
import { FIELDS, FIGURES, proceduralArt, type ArtKind } from '../procedural/art.ts';
import { artVersion, levelSides, openSet, renderSprite, type Sprite } from '../pretrain/sprites.ts';

/** Identifies a drawing by its set and emoji. */
export interface Drawing extends NamedEmoji {
  readonly set: string;
  readonly svg: () => Promise<Buffer | undefined>;
}

/** Percentage held out of the emoji that no concept of the model shows: a third of all 1,103. */
const KEPT_OF_100 = 54;

export interface Split {
  readonly trained: readonly Drawing[];
  readonly kept: readonly Drawing[];
}

/**
 * All drawings of the named emoji in the eight sets. All of the model's concepts are trained, because the model draws
 * them.
 *
 * @throws KronaError PRETRAIN_ART_MISSING when a package is not installed
 */
export async function splitDrawings(data: PretrainData): Promise<Split> {
  const isKept = await keptRule(data);
  const art = await openJudgeArt();
  const emoji = await namedEmoji();
  const sets = await Promise.all(artSets.map(async (set) => [set, await openSet(set)] as const));
  const drawings = emoji.flatMap((one): Drawing[] => [
    ...sets.map(([set, lookup]) => ({ ...one, set, svg: () => lookup(one.hex) })),
    ...JUDGE_SETS.map((set) => ({ ...one, set, svg: () => Promise.resolve(art.svg(set, one.label)) })),
  ]);
  const trained = drawings.filter((one) => !isKept(one));
  return { trained, kept: drawings.filter(isKept) };
}

async function keptRule(data: PretrainData): Promise<(emoji: NamedEmoji) => boolean> {
  const { subjects } = await readSubjects();
  const ofSubjects = new Set(subjects.flatMap(({ parts }) => parts.map(({ label }) => plainName(label))));
  const concepts = new Set(data.concepts.map(({ hex }) => hex));
  return ({ hex, label }) =>
    ofSubjects.has(plainName(label)) ||
    (!concepts.has(hex) && hashName(`autoencoder ${hex}`) % 100 < KEPT_OF_100);
}

/** Number of generated drawings of each kind to train on. */
const PROCEDURAL: Readonly<Record<ArtKind, number>> = {
  mascot: 900,
  face: 700,
  shapes: 400,
  strokes: 300,
  letters: 400,
  gradient: 400,
  texture: 400,
  lines: 300,
  text: 400,
};

export interface Bank {
  /** On a transparent background. */
  readonly drawings: readonly Sprite[];
  readonly figures: readonly Sprite[];
  /** Generated, filling their square. */
  readonly fields: readonly Sprite[];
  /** Squares of photos. */
  readonly photos: readonly Sprite[];
}

/** Increased when rendering changes. */
const CACHE_FORMAT = 1;

/**
 * Renders everything that is trained on, some milliseconds each, or reads it from `cacheFolder`.
 *
 * @param photos folder of photos; none by default
 * @throws KronaError PRETRAIN_ART_MISSING
 */
export async function loadBank(
  data: PretrainData,
  cacheFolder: string,
  seed: number,
  photos?: string,
): Promise<Bank> {
  const versions = await Promise.all(artSets.map((set: ArtSet) => artVersion(set)));
  const hexes = data.concepts.map(({ hex }) => hex);
  const wanted = JSON.stringify([
    CACHE_FORMAT,
    versions,
    (await openJudgeArt()).versions,
    hexes,
    PROCEDURAL,
    seed,
  ]);
  const key = createHash('sha256').update(wanted).digest('hex').slice(0, 16);
  const ofKinds = (kinds: readonly ArtKind[]) => () =>
    renderEach(
      kinds.flatMap((kind) =>
        Array.from(
          { length: PROCEDURAL[kind] },
          (_, index) => () => Promise.resolve(Buffer.from(proceduralArt(kind, seed, index))),
        ),
      ),
    );
  const cached = (name: string, render: () => Promise<Sprite[]>) =>
    spriteFile(join(cacheFolder, `${name}-${key}.raw`), render);
  return {
    drawings: await cached('drawings', async () =>
      renderEach((await splitDrawings(data)).trained.map(({ svg }) => svg)),
    ),
    figures: await cached('figures', ofKinds(FIGURES)),
    fields: await cached('fields', ofKinds(FIELDS)),
    photos:
      photos === undefined
        ? []
        : await renderEach((await photoTiles(photos)).map((tile) => () => Promise.resolve(tile))),
  };
}

/** The existing ones, in order. */
async function renderEach(sources: readonly (() => Promise<Buffer | undefined>)[]): Promise<Sprite[]> {
  const sprites: Sprite[] = [];
  for (const source of sources) {
    const svg = await source();
    if (svg) sprites.push(await renderSprite(svg));
  }
  return sprites;
}

const LEVELS = levelSides.map((side) => side * side * 4);
/** Width and height of the extent, in 16 bits each, precede the levels. */
const HEAD = 4;
const RECORD = HEAD + LEVELS.reduce((sum, bytes) => sum + bytes, 0);

/** Reads sprites from a file; makes and writes them if it is missing. */
async function spriteFile(path: string, render: () => Promise<Sprite[]>): Promise<Sprite[]> {
  if (!existsSync(path)) {
    const sprites = await render();
    const bytes = Buffer.alloc(sprites.length * RECORD);
    sprites.forEach(({ extent, levels }, index) => {
      let at = index * RECORD;
      extent.forEach((share, i) => bytes.writeUInt16LE(Math.round(share * 0xffff), at + 2 * i));
      at += HEAD;
      for (const level of levels) {
        bytes.set(level, at);
        at += level.length;
      }
    });
    await mkdir(join(path, '..'), { recursive: true });
    await writeWhole(path, bytes);
  }
  const bytes = await readFile(path);
  return Array.from({ length: Math.floor(bytes.length / RECORD) }, (_, index) => {
    let at = index * RECORD;
    const extent = [bytes.readUInt16LE(at) / 0xffff, bytes.readUInt16LE(at + 2) / 0xffff] as const;
    at += HEAD;
    const levels = LEVELS.map((length) => {
      const level = bytes.subarray(at, at + length);
      at += length;
      return level;
    });
    return { levels, extent };
  });
}
