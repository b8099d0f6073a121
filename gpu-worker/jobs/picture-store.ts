/** @file Stores the pictures of a set as they come, as the channel's rules say. */
import { randomUUID } from 'node:crypto';
import { at } from '../../core/at.ts';
import { isOnlyEnlarged } from '../../core/pictures/enlarged-size.ts';
import { parametersText, withParameters } from '../../core/pictures/png-parameters.ts';
import type { PictureSet, SetPreview } from '../../core/records.ts';
import type { DrawnPreview, PngPicture } from '../engine/protocol.ts';
import type { WorkerContext } from './context.ts';
import type { PlannedPicture } from './planned-picture.ts';
import type { PictureRules } from './picture-rules.ts';

type Context = Pick<WorkerContext, 'records' | 'blobs' | 'model'>;

/** Stores the pictures of one set as they come, in order; unsafe ones as the channel's rule says. */
export class PictureStore {
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
