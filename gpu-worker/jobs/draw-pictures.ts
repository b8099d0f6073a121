/**
 * @file Draws the pictures of a set and stores each as soon as it is drawn; pictures that are stored already are not
 * drawn again. Every picture that Krona posts passes here, so the channel's safety check is here.
 */
import { randomUUID } from 'node:crypto';
import { at } from '../../core/at.ts';
import { traced } from '../../core/tracing.ts';
import { KronaError } from '../../core/errors.ts';
import type { Adapter, Picture, PictureSet, SetPreview, SetStart, SetSteering } from '../../core/records.ts';
import { enlargementOf } from '../../core/pictures/enlarged-size.ts';
import { parametersText, withParameters } from '../../core/pictures/png-parameters.ts';
import { safetyIn } from '../../core/rules.ts';
import type { Place } from '../../core/prompts/split.ts';
import { pictureSize } from '../../core/settings/picture-size.ts';
import type {
  DrawAsk,
  DrawnPreview,
  FromPicture,
  PictureAsk,
  PngPicture,
  SteerPictures,
} from '../engine/protocol.ts';
import type { WorkerContext } from './context.ts';
import { InOrder } from './in-order.ts';
import { adapterFile } from './local-files.ts';

/** Share of the steps that an upscale draws again: enough for new details, too little for another picture. */
const UPSCALE_STRENGTH = 0.35;

export interface PlannedPicture {
  readonly seed: number;
  /** Their changes add up, unless they have places; the record of the picture names the first. */
  readonly adapters: readonly Adapter[];
  /** Where each of them acts alone. */
  readonly places?: readonly Place[];
  /** Where the set's prompt has alternatives: this one, as the model gets it and as the member typed it. */
  readonly own?: { readonly prompt: string; readonly typed: string };
}

/** A picture to enlarge. */
export type Original = Pick<Picture, 'blobHash' | 'width' | 'height'>;

export interface DrawingOptions {
  /** As the model gets it. */
  readonly prompt: string;
  /** By index. */
  readonly pictures: readonly PlannedPicture[];
  /** Seeds of the picture that these vary; see DrawRequest. */
  readonly varies?: readonly number[];
  /** Enlarge this one, as the settings say. */
  readonly upscales?: Original;
  /** Nobody waits for them. */
  readonly background: boolean;
  readonly signal: AbortSignal;
  /** After each denoising step, counted over all pictures. */
  readonly onStep?: (step: number, steps: number) => void;
  /**
   * What a picture looks like so far; null: nothing is shown of it. Never called where the channel's rules hold pictures back,
   * or the set's settings want no previews.
   */
  readonly onPreview?: (preview: SetPreview | null) => void;
}

type Context = Pick<WorkerContext, 'records' | 'blobs' | 'engine' | 'model' | 'held' | 'dataFolder' | 'log'>;

/** @throws KronaError as Engine.draw; BLOB_NOT_FOUND, DISK_FULL; the signal's reason when it aborts */
export async function drawPictures(
  context: Context,
  set: PictureSet,
  options: DrawingOptions,
): Promise<void> {
  const { records, engine } = context;
  const { pictures, signal, onStep, onPreview } = options;
  const shown = (await records.pictures(set.id)).length;
  // Pictures are stored in order, so the stored and the held ones are the first.
  const done = shown + (await records.heldPictures(set.id)).length;
  const missing = pictures.slice(done);
  if (missing.length === 0) return;
  const rule = await rulesOf(context, set.channelId);
  const store = new Store(context, set, missing, rule, { shown, done });
  const storing = new InOrder();
  const drawing = engine.draw(
    {
      ...(await requestOf(context, set, options)),
      pictures: await askedPictures(context, missing),
      check: rule.safety !== 'off',
      // Whether a picture is to be held back is known when it is done: until then, nothing of it can be shown.
      previews: onPreview !== undefined && set.settings.previews && rule.safety !== 'block',
    },
    {
      signal: AbortSignal.any([signal, storing.signal]),
      onEvent: (event) => {
        if ('picture' in event) storing.add(() => store.keep(event.picture));
        else if ('preview' in event) onPreview?.(store.previewOf(event.preview));
        else if ('notice' in event) context.log.warn({ set: set.id }, event.notice);
        else if ('promptLength' in event)
          storing.add(() => records.updateSet(set.id, { promptLength: event.promptLength }));
        else {
          const before = (event.steps / missing.length) * done;
          onStep?.(before + event.step, before + event.steps);
        }
      },
    },
  );
  await traced(set.runId ?? set.id, 'draw', () => drawing, { pictures: missing.length });
  await storing.done();
}

/** What all pictures of a set have in common. */
async function requestOf(
  { records, blobs, model }: Context,
  { settings, negative, strength, start, steering }: PictureSet,
  { prompt, varies = [], upscales, background }: DrawingOptions,
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

async function askedPictures(context: Context, pictures: readonly PlannedPicture[]): Promise<PictureAsk[]> {
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

/** A member's picture that a network has made larger: no setting says anything about it. */
const isOnlyEnlarged = ({ kind, start, settings }: PictureSet): boolean =>
  kind === 'upscale' && start !== null && enlargementOf(settings.upscale) !== null;

/** Stores the pictures of one set as they come, in order; unsafe ones as the channel's rule says. */
class Store {
  readonly #context: Context;
  readonly #set: PictureSet;
  readonly #missing: readonly PlannedPicture[];
  readonly #rule: PictureRules;
  readonly #done: number;
  #shown: number;
  /** Places among the missing pictures. */
  readonly #unsafePreviews = new Set<number>();

  /** @param before pictures shown, and shown or held, before the missing ones */
  constructor(
    context: Context,
    set: PictureSet,
    missing: readonly PlannedPicture[],
    rule: PictureRules,
    before: { readonly shown: number; readonly done: number },
  ) {
    this.#context = context;
    this.#set = set;
    this.#missing = missing;
    this.#rule = rule;
    this.#done = before.done;
    this.#shown = before.shown;
  }

  /** A preview as it can be shown: none that the check finds unsafe, and none of that picture from then on. */
  previewOf({ place, image, unsafe }: DrawnPreview): SetPreview | null {
    if (this.#isUnsafe(unsafe)) this.#unsafePreviews.add(place);
    return this.#unsafePreviews.has(place) ? null : { place: this.#done + place, image };
  }

  #isUnsafe(unsafe: number | null): boolean {
    return unsafe !== null && unsafe > this.#rule.above;
  }

  async keep({ place, width, height, png, unsafe }: PngPicture): Promise<void> {
    const { records, blobs } = this.#context;
    const { seed, adapters, own } = at(this.#missing, place);
    const sensitive = this.#isUnsafe(unsafe);
    if (unsafe !== null && sensitive && this.#rule.safety === 'block') {
      await records.holdPicture({ setId: this.#set.id, place: this.#done + place, unsafe });
      return;
    }
    // The seed of a duel's pair would tell which adapter drew which picture.
    const isSigned = this.#rule.parameters && this.#set.duelId === null && !isOnlyEnlarged(this.#set);
    const file = isSigned ? this.#signed(place, { width, height, png }) : png;
    const { hash, size } = await blobs.put(file);
    await records.addPicture({
      id: randomUUID(),
      setId: this.#set.id,
      index: this.#shown,
      blobHash: hash,
      size,
      width,
      height,
      seed,
      prompt: own?.typed ?? null,
      adapterId: adapters[0]?.id ?? null,
      unsafe,
      sensitive,
    });
    this.#shown += 1;
  }

  /** A picture's file with its prompt and settings, as members typed them. */
  #signed(place: number, { width, height, png }: Pick<PngPicture, 'width' | 'height' | 'png'>): Buffer {
    const { prompt, negative, settings, start } = this.#set;
    const { seed, own } = at(this.#missing, place);
    const text = parametersText({
      prompt: own?.typed ?? prompt,
      negative,
      steps: settings.samplingSteps,
      scheduler: settings.scheduler,
      guidance: settings.guidance,
      seed,
      width,
      height,
      model: this.#context.model.name,
      change: start?.change ?? null,
    });
    return withParameters(png, text);
  }
}

type PictureRules = Awaited<ReturnType<typeof rulesOf>>;

/** The channel's rules for pictures: unsafe are those whose score is above `above`. */
export async function rulesOf({ records, model }: Pick<Context, 'records' | 'model'>, channelId: string) {
  const rules = await records.rules(channelId);
  const channel = await records.channelById(channelId);
  if (channel === null) throw new Error(`no channel ${channelId}`);
  const { safetyPercent, parameters } = rules;
  return { safety: safetyIn(rules, channel, model), above: safetyPercent / 100, parameters };
}
