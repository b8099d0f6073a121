/**
 * @file Turns pictures into a tower's pixel values as its preprocessor_config.json says: resized, cropped from the
 * centre, scaled, normalised. Results equal those of transformers' image processors that use PIL.
 */
import { basename, join } from 'node:path';
import { at } from '../../../core/at.ts';
import { KronaError } from '../../../core/errors.ts';
import { exists } from '../../../core/files.ts';
import type { RgbPicture } from '../../../core/pictures/cut-out.ts';
import { Picture } from '../../../core/pictures/picture.ts';
import { isJsonObject } from '../../../core/json-object.ts';
import { ConfigFields, isInteger } from '../config-fields.ts';
import { readJson } from '../model-files.ts';
import { FILTERS, pilResize, type Filter } from './pil-resize.ts';
import type { TowerConfig } from './vision-configs.ts';

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Preprocessing {
  /** `shortest`: the shorter side gets this length, and the picture keeps its proportions; null: no resizing. */
  readonly resize: { readonly to: Size | { readonly shortest: number }; readonly filter: Filter } | null;
  /** Cut out of the middle; null: nothing is cut. */
  readonly crop: Size | null;
  /** What a byte is multiplied with. */
  readonly factor: number;
  /** Of each channel, red first. */
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
  /** Of the pixel values: the same for every picture. */
  readonly size: Size;
}

/** Names of image processors whose steps these are, without `Fast` and the like at the end. */
const PROCESSOR = /^(CLIP|ViT|Bit)(ImageProcessor|FeatureExtractor)/;
const MOST_SIDE = 4096;

/**
 * Reads preprocessor_config.json of a tower's folder, or processor_config.json, where transformers 5 puts CLIP's.
 *
 * @throws KronaError MODEL_FILE_MISSING, MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED
 */
export async function readPreprocessing(
  folder: string,
  type: TowerConfig['model_type'],
): Promise<Preprocessing> {
  const file = 'preprocessor_config.json';
  const newer = 'processor_config.json';
  if ((await exists(join(folder, file))) || !(await exists(join(folder, newer))))
    return preprocessing(file, await readJson(folder, file), type);
  const whole = await readJson(folder, newer);
  const inner = whole['image_processor'];
  if (!isJsonObject(inner)) throw new ConfigFields(newer, whole).invalid('image_processor', 'an object');
  return preprocessing(`${newer}: image_processor`, inner, type);
}

/** Reads the fields of an image processor. `type` decides which meaning a plain number as size has. */
function preprocessing(
  where: string,
  raw: Readonly<Record<string, unknown>>,
  type: TowerConfig['model_type'],
): Preprocessing {
  const fields = new ConfigFields(where, raw);
  for (const key of ['image_processor_type', 'feature_extractor_type']) {
    const name = fields.get(key);
    if (name !== null && !(typeof name === 'string' && PROCESSOR.test(name)))
      throw fields.unsupported(key, 'CLIPImageProcessor, ViTImageProcessor, BitImageProcessor');
  }
  fields.mustBe({ do_pad: false });
  const crop = fields.flag('do_center_crop', type !== 'vit') ? cropSize(fields) : null;
  const resize = fields.flag('do_resize', true)
    ? { to: resizeSize(fields, type), filter: filterOf(fields, type) }
    : null;
  const size = crop ?? (resize !== null && 'width' in resize.to ? resize.to : null);
  if (size === null)
    throw fields.unsupported(
      resize === null ? 'do_resize' : 'do_center_crop',
      'pictures of one size: a crop, or a "size" with width and height',
    );
  if (resize !== null) checkCrop(fields, resize.to, size);
  const normalised = fields.flag('do_normalize', true);
  return {
    resize,
    crop,
    factor: fields.flag('do_rescale', true) ? fields.number('rescale_factor', 1 / 255) : 1,
    mean: normalised ? channels(fields, 'image_mean') : [0, 0, 0],
    deviation: normalised ? channels(fields, 'image_std', 1e-6) : [1, 1, 1],
    size,
  };
}

function filterOf(fields: ConfigFields, type: TowerConfig['model_type']): Filter {
  const found = fields.get('resample') ?? (type === 'vit' ? 2 : 3);
  const filter = Object.entries(FILTERS).find(([number]) => Number(number) === found)?.[1];
  if (filter !== undefined) return filter;
  throw fields.unsupported(
    'resample',
    Object.entries(FILTERS)
      .map((pair) => pair.join(' ('))
      .join('), ') + ')',
  );
}

/** transformers' slow processors: ViT makes a plain number a square, the others the shorter side. */
function resizeSize(
  fields: ConfigFields,
  type: TowerConfig['model_type'],
): Size | { readonly shortest: number } {
  const value = fields.get('size');
  if (isInteger(value, 1, MOST_SIDE))
    return type === 'vit' ? { width: value, height: value } : { shortest: value };
  if (isJsonObject(value)) {
    const { shortest_edge: shortest, longest_edge: longest = null, width, height } = value;
    if (isInteger(shortest, 1, MOST_SIDE) && longest === null) return { shortest };
    if (isInteger(width, 1, MOST_SIDE) && isInteger(height, 1, MOST_SIDE)) return { width, height };
  }
  throw fields.invalid(
    'size',
    `a whole number from 1 to ${MOST_SIDE}, {"shortest_edge"} or {"height", "width"}`,
  );
}

function cropSize(fields: ConfigFields): Size {
  const value = fields.get('crop_size');
  if (isInteger(value, 1, MOST_SIDE)) return { width: value, height: value };
  const { width, height } = isJsonObject(value) ? value : {};
  if (isInteger(width, 1, MOST_SIDE) && isInteger(height, 1, MOST_SIDE)) return { width, height };
  throw fields.invalid('crop_size', `a whole number from 1 to ${MOST_SIDE}, or {"height", "width"}`);
}

/** transformers fills what a picture lacks with black; no known model wants that. */
function checkCrop(fields: ConfigFields, to: Size | { readonly shortest: number }, crop: Size): void {
  const [width, height] = 'width' in to ? [to.width, to.height] : [to.shortest, to.shortest];
  if (crop.width > width || crop.height > height)
    throw fields.unsupported('crop_size', `a crop within the resized picture (${width}×${height})`);
}

function channels(fields: ConfigFields, key: string, least = -Infinity): readonly number[] {
  const value = fields.get(key);
  const list: readonly unknown[] = Array.isArray(value) ? value : [];
  const isNumber = (each: unknown): each is number => typeof each === 'number' && each >= least;
  if (list.length !== 3 || !list.every(isNumber))
    throw fields.invalid(key, `three numbers${least > 0 ? ' above 0' : ''}, one a channel`);
  return list;
}

/** Pixel values [3,H,W] of a picture. @throws KronaError PHOTO_TOO_SMALL where nothing is resized and it is smaller than the crop */
export function pixelValues(how: Preprocessing, picture: RgbPicture): Float32Array {
  const resized = how.resize === null ? picture : resizedTo(picture, how.resize);
  const { width, height } = how.size;
  const [left, top] = [Math.floor((resized.width - width) / 2), Math.floor((resized.height - height) / 2)];
  if (left < 0 || top < 0)
    throw new KronaError(
      'PHOTO_TOO_SMALL',
      `The picture has ${resized.width}×${resized.height} pixels; this model reads ${width}×${height} and resizes nothing. Use a larger one.`,
    );
  const values = new Float32Array(3 * width * height);
  for (let c = 0; c < 3; c++) {
    const [mean, deviation] = [at(how.mean, c), at(how.deviation, c)];
    for (let row = 0; row < height; row++)
      for (let column = 0; column < width; column++) {
        const byte = at(resized.pixels, 3 * ((row + top) * resized.width + column + left) + c);
        values[(c * height + row) * width + column] = (byte * how.factor - mean) / deviation;
      }
  }
  return values;
}

function resizedTo(picture: RgbPicture, { to, filter }: NonNullable<Preprocessing['resize']>): RgbPicture {
  if ('width' in to) return pilResize(picture, to.width, to.height, filter);
  const { width, height } = picture;
  const long = Math.trunc((to.shortest * Math.max(width, height)) / Math.min(width, height));
  return width <= height
    ? pilResize(picture, to.shortest, long, filter)
    : pilResize(picture, long, to.shortest, filter);
}

/**
 * Reads a picture for a tower: upright, sRGB, on white.
 *
 * @param source path or bytes
 * @throws KronaError PHOTO_NOT_IMAGE, PHOTO_DAMAGED, PHOTO_TOO_LARGE, PHOTO_SLOW
 */
export async function readRgb(
  source: string | Uint8Array,
  name = typeof source === 'string' ? basename(source) : 'A photo',
): Promise<RgbPicture> {
  const photo = await Picture.open(source, name);
  const { data, info } = await photo.render((image) =>
    image.autoOrient().flatten({ background: '#ffffff' }).toColourspace('srgb').raw({ depth: 'uchar' }),
  );
  return { width: info.width, height: info.height, pixels: data };
}
