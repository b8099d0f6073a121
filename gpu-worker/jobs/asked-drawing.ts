/** @file What the engine is asked for the pictures of a set. */
import type { Picture, PictureSet, SetStart, SetSteering } from '../../core/records.ts';
import { KronaError } from '../../core/errors.ts';
import { enlargementOf } from '../../core/pictures/enlarged-size.ts';
import { pictureSize } from '../../core/settings/picture-size.ts';
import type { DrawAsk, FromPicture, PictureAsk, SteerPictures } from '../engine/protocol.ts';
import type { WorkerContext } from './context.ts';
import { adapterFile } from './local-files.ts';
import type { PlannedPicture } from './planned-picture.ts';

/** Share of the steps that an upscale draws again: enough for new details, too little for another picture. */
const UPSCALE_STRENGTH = 0.35;

/** A picture to enlarge. */
export type Original = Pick<Picture, 'blobHash' | 'width' | 'height'>;

export interface SetDrawing {
  /** As the model gets it. */
  readonly prompt: string;
  /** Seeds of the picture that these vary; see DrawRequest. */
  readonly varies?: readonly number[];
  /** Enlarge this one, as the settings say. */
  readonly upscales?: Original;
  /** Nobody waits for them. */
  readonly background: boolean;
}

type Context = Pick<WorkerContext, 'records' | 'blobs' | 'model' | 'held' | 'dataFolder'>;

/** What all pictures of a set have in common. */
export async function requestOf(
  { records, blobs, model }: Pick<Context, 'records' | 'blobs' | 'model'>,
  { settings, negative, strength, start, steering }: PictureSet,
  { prompt, varies = [], upscales, background }: SetDrawing,
): Promise<Omit<DrawAsk, 'pictures' | 'check' | 'previews'>> {
  const { guidance, rescale, scheduler, samplingSteps, refine, speed, quality } = settings;
  const { width, height } = upscales ?? pictureSize(settings, model);
  const times = upscales ? enlargementOf(settings.upscale) : null;
  const scale = upscales ? (times ?? 2) : 1;
  const original = upscales && (await blobs.get(upscales.blobHash));
  return {
    prompt,
    negative,
    guidance,
    guidanceRescale: rescale,
    scheduler,
    steps: samplingSteps,
    speed,
    quality,
    width: scale * width,
    height: scale * height,
    ...(original
      ? times === null
        ? { from: { png: original, strength: UPSCALE_STRENGTH } }
        : { enlarge: { png: original, scale: times } }
      : start
        ? { from: await beginning(start, blobs) }
        : { refine }),
    strength,
    ...(steering && !upscales && { steeredBy: await steerOf(steering, records, blobs) }),
    varies,
    background,
  };
}

/** The picture that a set begins with. @throws KronaError PICTURE_GONE */
async function beginning(
  { blobHash, maskHash, change }: SetStart,
  blobs: Context['blobs'],
): Promise<FromPicture> {
  if (blobHash === null)
    throw new KronaError('PICTURE_GONE', 'The picture to begin with was deleted. Send it again.');
  return {
    png: await blobs.get(blobHash),
    strength: change,
    ...(maskHash !== null && { mask: await blobs.get(maskHash) }),
  };
}

/** The pictures that steer a set, without those deleted since. */
async function steerOf(
  { liked, disliked }: SetSteering,
  records: Context['records'],
  blobs: Context['blobs'],
): Promise<SteerPictures> {
  const files = async (ids: readonly string[]): Promise<Uint8Array[]> => {
    const found: Uint8Array[] = [];
    for (const id of ids) {
      const picture = await records.picture(id);
      if (picture !== null) found.push(await blobs.get(picture.blobHash));
    }
    return found;
  };
  return { liked: await files(liked), disliked: await files(disliked) };
}

/** The pictures of a set, each with its adapters' files, which stay while it is drawn. */
export async function askedPictures(
  context: Context,
  pictures: readonly PlannedPicture[],
): Promise<PictureAsk[]> {
  const asked: PictureAsk[] = [];
  for (const { seed, adapters, own, places } of pictures) {
    const files: string[] = [];
    for (const { blobHash } of adapters) {
      files.push(await adapterFile(context, blobHash));
      context.held.set(blobHash, true);
    }
    asked.push({ seed, adapters: files, ...(own && { prompt: own.prompt }), ...(places && { places }) });
  }
  return asked;
}
