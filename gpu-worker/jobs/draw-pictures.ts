/**
 * @file Draws the pictures of a set and stores each as soon as it is there; those that it has are not drawn again.
 * Every picture that is ever posted comes from here, so here the channel's safety check is.
 */
import { randomUUID } from 'node:crypto';
import type { Adapter, Picture, PictureSet } from '../../core/records.ts';
import { safetyIn } from '../../core/rules.ts';
import { pictureSize } from '../../core/settings/picture-size.ts';
import type { PngPicture } from '../engine/protocol.ts';
import type { WorkerContext } from './context.ts';
import { InOrder } from './in-order.ts';
import { adapterFile } from './local-files.ts';

/** How much of an enlarged picture is drawn anew: its details, and nothing that one would call another picture. */
const UPSCALE_STRENGTH = 0.35;

export interface PlannedPicture {
  readonly seed: number;
  readonly adapter: Adapter | null;
}

export interface DrawingOptions {
  /** What the model is given. */
  readonly prompt: string;
  /** By index. */
  readonly pictures: readonly PlannedPicture[];
  /** Adapters that draw all of them, beside each picture's own. */
  readonly also?: readonly Adapter[];
  /** Seeds of the picture that these vary; see DrawRequest. */
  readonly varies?: readonly number[];
  /** They are this one again, at twice its size. */
  readonly upscales?: Picture;
  /** Nobody waits for them. */
  readonly background: boolean;
  readonly signal: AbortSignal;
  /** After each denoising step, counted over all pictures. */
  readonly onStep?: (step: number, steps: number) => void;
}

/** @throws KronaError as Engine.draw; BLOB_NOT_FOUND, DISK_FULL; the signal's reason when it aborts */
export async function drawPictures(
  context: Pick<WorkerContext, 'records' | 'blobs' | 'engine' | 'model' | 'dataFolder'>,
  set: PictureSet,
  { prompt, pictures, also = [], varies, upscales, background, signal, onStep }: DrawingOptions,
): Promise<void> {
  const { records, blobs, engine, model } = context;
  let shown = (await records.pictures(set.id)).length;
  // They are stored in order, so those that are there or held back are the first.
  const done = shown + (await records.heldPictures(set.id)).length;
  const missing = pictures.slice(done);
  if (missing.length === 0) return;
  const { safety, above } = await safetyOf(context, set.channelId);

  const filesOf = async (adapters: readonly Adapter[]): Promise<string[]> => {
    const paths: string[] = [];
    for (const { blobHash } of adapters) paths.push(await adapterFile(context, blobHash));
    return paths;
  };
  const asked = [];
  for (const { seed, adapter } of missing)
    asked.push({ seed, adapters: await filesOf([adapter ?? [], also].flat()) });

  const store = async ({ place, width, height, png, unsafe }: PngPicture): Promise<void> => {
    const { seed, adapter } = missing[place]!;
    const alarming = unsafe !== null && unsafe > above;
    if (alarming && safety === 'block') {
      await records.holdPicture({ setId: set.id, place: done + place, unsafe });
      return;
    }
    const { hash } = await blobs.put(png);
    await records.addPicture({
      id: randomUUID(),
      setId: set.id,
      index: shown,
      blobHash: hash,
      width,
      height,
      seed,
      adapterId: adapter?.id ?? null,
      unsafe,
      sensitive: alarming,
    });
    shown += 1;
  };
  const storing = new InOrder();
  const { guidance, rescale, scheduler, samplingSteps, refine } = set.settings;
  const { width, height } = upscales ?? pictureSize(set.settings, model);
  await engine.draw(
    {
      prompt,
      negative: set.negative,
      guidance,
      guidanceRescale: rescale,
      scheduler,
      steps: samplingSteps,
      width: upscales ? 2 * width : width,
      height: upscales ? 2 * height : height,
      ...(upscales
        ? { from: { png: await blobs.get(upscales.blobHash), strength: UPSCALE_STRENGTH } }
        : { refine }),
      pictures: asked,
      strength: set.strength,
      varies: varies ?? [],
      background,
      check: safety !== 'off',
    },
    {
      signal: AbortSignal.any([signal, storing.signal]),
      onEvent: (event) => {
        if ('picture' in event) storing.add(() => store(event.picture));
        else {
          const before = (event.steps / missing.length) * done;
          onStep?.(before + event.step, before + event.steps);
        }
      },
    },
  );
  await storing.done();
}

/** What the channel's rules do with unsafe pictures, and which are: those whose score is above `above`. */
async function safetyOf({ records, model }: Pick<WorkerContext, 'records' | 'model'>, channelId: string) {
  const rules = await records.rules(channelId);
  const channel = await records.channelById(channelId);
  return { safety: safetyIn(rules, channel!, model), above: rules.safetyPercent / 100 };
}
