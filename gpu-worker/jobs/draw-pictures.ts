/**
 * @file Draws the pictures of a set and stores each as soon as it is drawn; pictures that are stored already are not
 * drawn again. Every picture that Krona posts passes here, so the channel's safety check is here.
 */
import { randomUUID } from 'node:crypto';
import { at } from '../../core/at.ts';
import type { Adapter, Picture, PictureSet } from '../../core/records.ts';
import { safetyIn } from '../../core/rules.ts';
import { pictureSize } from '../../core/settings/picture-size.ts';
import type { DrawAsk, PictureAsk, PngPicture } from '../engine/protocol.ts';
import type { WorkerContext } from './context.ts';
import { InOrder } from './in-order.ts';
import { adapterFile } from './local-files.ts';

/** Share of the steps that an upscale draws again: enough for new details, too little for another picture. */
const UPSCALE_STRENGTH = 0.35;

export interface PlannedPicture {
  readonly seed: number;
  readonly adapter: Adapter | null;
}

export interface DrawingOptions {
  /** As the model gets it. */
  readonly prompt: string;
  /** By index. */
  readonly pictures: readonly PlannedPicture[];
  /** Adapters for all of them, with each picture's own. */
  readonly also?: readonly Adapter[];
  /** Seeds of the picture that these vary; see DrawRequest. */
  readonly varies?: readonly number[];
  /** Draw this one again, at twice its size. */
  readonly upscales?: Picture;
  /** Nobody waits for them. */
  readonly background: boolean;
  readonly signal: AbortSignal;
  /** After each denoising step, counted over all pictures. */
  readonly onStep?: (step: number, steps: number) => void;
}

type Context = Pick<WorkerContext, 'records' | 'blobs' | 'engine' | 'model' | 'dataFolder'>;

/** @throws KronaError as Engine.draw; BLOB_NOT_FOUND, DISK_FULL; the signal's reason when it aborts */
export async function drawPictures(
  context: Context,
  set: PictureSet,
  options: DrawingOptions,
): Promise<void> {
  const { records, engine } = context;
  const { pictures, signal, onStep } = options;
  const shown = (await records.pictures(set.id)).length;
  // Pictures are stored in order, so the stored and the held ones are the first.
  const done = shown + (await records.heldPictures(set.id)).length;
  const missing = pictures.slice(done);
  if (missing.length === 0) return;
  const rule = await safetyOf(context, set.channelId);
  const store = new Store(context, set, missing, rule, { shown, done });
  const storing = new InOrder();
  await engine.draw(
    {
      ...(await requestOf(context, set, options)),
      pictures: await askedPictures(context, missing, options.also ?? []),
      check: rule.safety !== 'off',
    },
    {
      signal: AbortSignal.any([signal, storing.signal]),
      onEvent: (event) => {
        if ('picture' in event) storing.add(() => store.keep(event.picture));
        else if ('promptLength' in event)
          storing.add(() => records.updateSet(set.id, { promptLength: event.promptLength }));
        else {
          const before = (event.steps / missing.length) * done;
          onStep?.(before + event.step, before + event.steps);
        }
      },
    },
  );
  await storing.done();
}

/** What all pictures of a set have in common. */
async function requestOf(
  { blobs, model }: Context,
  { settings, negative, strength }: PictureSet,
  { prompt, varies = [], upscales, background }: DrawingOptions,
): Promise<Omit<DrawAsk, 'pictures' | 'check'>> {
  const { guidance, rescale, scheduler, samplingSteps, refine } = settings;
  const { width, height } = upscales ?? pictureSize(settings, model);
  return {
    prompt,
    negative,
    guidance,
    guidanceRescale: rescale,
    scheduler,
    steps: samplingSteps,
    width: upscales ? 2 * width : width,
    height: upscales ? 2 * height : height,
    ...(upscales
      ? { from: { png: await blobs.get(upscales.blobHash), strength: UPSCALE_STRENGTH } }
      : { refine }),
    strength,
    varies,
    background,
  };
}

async function askedPictures(
  context: Context,
  pictures: readonly PlannedPicture[],
  also: readonly Adapter[],
): Promise<PictureAsk[]> {
  const asked: PictureAsk[] = [];
  for (const { seed, adapter } of pictures) {
    const adapters: string[] = [];
    for (const { blobHash } of [adapter ?? [], also].flat())
      adapters.push(await adapterFile(context, blobHash));
    asked.push({ seed, adapters });
  }
  return asked;
}

/** Stores the pictures of one set as they come, in order; unsafe ones as the channel's rule says. */
class Store {
  readonly #context: Context;
  readonly #set: PictureSet;
  readonly #missing: readonly PlannedPicture[];
  readonly #rule: SafetyRule;
  readonly #done: number;
  #shown: number;

  /** @param before pictures shown, and shown or held, before the missing ones */
  constructor(
    context: Context,
    set: PictureSet,
    missing: readonly PlannedPicture[],
    rule: SafetyRule,
    before: { readonly shown: number; readonly done: number },
  ) {
    this.#context = context;
    this.#set = set;
    this.#missing = missing;
    this.#rule = rule;
    this.#done = before.done;
    this.#shown = before.shown;
  }

  async keep({ place, width, height, png, unsafe }: PngPicture): Promise<void> {
    const { records, blobs } = this.#context;
    const { safety, above } = this.#rule;
    const { seed, adapter } = at(this.#missing, place);
    const sensitive = unsafe !== null && unsafe > above;
    if (sensitive && safety === 'block') {
      await records.holdPicture({ setId: this.#set.id, place: this.#done + place, unsafe });
      return;
    }
    const { hash, size } = await blobs.put(png);
    await records.addPicture({
      id: randomUUID(),
      setId: this.#set.id,
      index: this.#shown,
      blobHash: hash,
      size,
      width,
      height,
      seed,
      adapterId: adapter?.id ?? null,
      unsafe,
      sensitive,
    });
    this.#shown += 1;
  }
}

type SafetyRule = Awaited<ReturnType<typeof safetyOf>>;

/** The channel's rule for unsafe pictures: those whose score is above `above`. */
export async function safetyOf({ records, model }: Pick<Context, 'records' | 'model'>, channelId: string) {
  const rules = await records.rules(channelId);
  const channel = await records.channelById(channelId);
  if (channel === null) throw new Error(`no channel ${channelId}`);
  return { safety: safetyIn(rules, channel, model), above: rules.safetyPercent / 100 };
}
