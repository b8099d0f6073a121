/**
 * @file The subjects of the evaluations, none of which the embedded model has seen: subjects.json is the recipe, this
 * file renders it. A subject is a judge-set drawing of a held-out concept, or composed of several drawings, or a mascot
 * with a drawing of its own (mascots/); its photos show it on plain backgrounds, shifted, scaled, slightly rotated and
 * mirrored.
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { KronaError } from '../../core/errors.ts';
import { toBytes } from '../../core/pictures/rgb-bytes.ts';
import { compositePicture } from '../pretrain/composite.ts';
import type { PretrainData } from '../pretrain/concepts.ts';
import { renderSprite, type Sprite } from '../pretrain/sprites.ts';
import { JUDGE_SET_NOTICES, type JudgeArt, type JudgeSet } from './judge-art.ts';

/** A drawing of a judge set; middle and longer side as shares of the whole, degrees clockwise. Default: the whole picture. */
export interface SubjectPart {
  readonly set: JudgeSet;
  /** Unicode's name. */
  readonly label: string;
  readonly x?: number;
  readonly y?: number;
  readonly side?: number;
  readonly angle?: number;
}

export interface Subject {
  readonly name: string;
  /** A class word that the model knows. */
  readonly class: string;
  /** Few colours and a plain outline. */
  readonly simple: boolean;
  /** In drawing order; none for a mascot, whose drawing is the file of its name in mascots/. */
  readonly parts: readonly SubjectPart[];
}

export interface SubjectPrompt {
  readonly kind: 'background' | 'partner' | 'style';
  /** `{subject}` stands for token and class. */
  readonly text: string;
  readonly background: string;
  readonly partner?: string;
  readonly style?: string;
}

/** A prompt without the subject; `{class}` stands for the class word. */
export interface DriftPrompt {
  readonly text: string;
  readonly background: string;
  /** The concept to judge, if it isn't the class. */
  readonly concept?: string;
}

interface Pose {
  readonly background: string;
  /** Share of the frame. */
  readonly scale: number;
  readonly x: number;
  readonly y: number;
  readonly angle: number;
  readonly mirror: boolean;
}

export interface SubjectRecipe {
  /** The rare word before the class. */
  readonly token: string;
  /** Of the comparison of methods. */
  readonly subjects: readonly Subject[];
  /** With faces, and drawings that are nobody else's. */
  readonly mascots: readonly Subject[];
  readonly photos: readonly Pose[];
  readonly prompts: readonly SubjectPrompt[];
  readonly drift: readonly DriftPrompt[];
}

export const subjectsPath = fileURLToPath(new URL('./subjects.json', import.meta.url));

/** @param path of a recipe of one's own */
export async function readSubjects(path = subjectsPath): Promise<SubjectRecipe> {
  return JSON.parse(await readFile(path, 'utf8')) as SubjectRecipe;
}

/** Side of a mascot's picture before it becomes a sprite, pixels. */
const CANVAS = 256;

/** The subject as a sprite. @throws KronaError PRETRAIN_ART_MISSING */
export async function subjectSprite(art: JudgeArt, subject: Subject): Promise<Sprite> {
  if (subject.parts.length === 0)
    return renderSprite(await readFile(new URL(`./mascots/${subject.name}.svg`, import.meta.url)));
  const layers = await Promise.all(
    subject.parts.map(async ({ set, label, x = 0.5, y = 0.5, side = 1, angle = 0 }) => {
      const svg = art.svg(set, label);
      if (!svg) throw new KronaError('PRETRAIN_ART_MISSING', `${set} has no drawing of “${label}”.`);
      const pixels = Math.round(side * CANVAS);
      const drawn = await sharp(await sharp(svg).trim().png().toBuffer())
        .resize(pixels, pixels, { fit: 'inside' })
        .png()
        .toBuffer();
      const { data, info } = await sharp(drawn)
        .rotate(angle, { background: '#00000000' })
        .png()
        .toBuffer({ resolveWithObject: true });
      const place = (share: number, length: number): number =>
        Math.max(0, Math.min(CANVAS - length, Math.round(share * CANVAS - length / 2)));
      return { input: data, left: place(x, info.width), top: place(y, info.height) };
    }),
  );
  const whole = sharp({ create: { width: CANVAS, height: CANVAS, channels: 4, background: '#00000000' } });
  return renderSprite(await whole.composite(layers).png().toBuffer());
}

/** The sprite centred on a plain background, or in a pose: [3, size, size] in [-1, 1]. */
export function drawSubject(
  data: PretrainData,
  sprite: Sprite,
  background: string,
  pose: Omit<Pose, 'background'> = { scale: 0.92, x: 0.5, y: 0.5, angle: 0, mirror: false },
): Float32Array {
  const { size, placement } = data;
  const placed = {
    sprite,
    x: pose.x * size,
    y: pose.y * size,
    side: pose.scale * placement.frame * size,
    angle: (pose.angle * Math.PI) / 180,
    mirror: pose.mirror,
  };
  return compositePicture(size, backgroundOf(data, background), [placed]);
}

/** The prompt with the subject's words filled in. */
export const textOf = (
  { text }: Pick<SubjectPrompt, 'text'>,
  { token }: Pick<SubjectRecipe, 'token'>,
  subject: Pick<Subject, 'class'>,
): string => text.replace('{subject}', `${token} ${subject.class}`);

/** PNG files of the subject's photos, in the recipe's order. */
export async function subjectPhotos(
  data: PretrainData,
  recipe: SubjectRecipe,
  sprite: Sprite,
): Promise<Buffer[]> {
  const raw = { width: data.size, height: data.size, channels: 3 as const };
  return Promise.all(
    recipe.photos.map(({ background, ...pose }) =>
      sharp(toBytes(drawSubject(data, sprite, background, pose)), { raw })
        .png()
        .toBuffer(),
    ),
  );
}

/** @throws KronaError PRETRAIN_CONFIG when the model has no background of that name */
export function backgroundOf(data: PretrainData, name: string): readonly [number, number, number] {
  const found = data.backgrounds.find((background) => background.name === name);
  if (!found) throw new KronaError('PRETRAIN_CONFIG', `The configuration has no background named “${name}”.`);
  return found.rgb;
}

/** An attribution line for each set that the subjects use. */
export function subjectNotices({ subjects }: SubjectRecipe): string[] {
  const used = new Set(subjects.flatMap(({ parts }) => parts.map(({ set }) => set)));
  return [...used].map(
    (set) => `${JUDGE_SET_NOTICES[set].notice}. Changed: rendered, combined, put on backgrounds.`,
  );
}
