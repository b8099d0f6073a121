/**
 * @file What pictures of a request look like while they are drawn: at most one small preview a second, by the tiny decoder of
 * KRONA_TAESD or KRONA_TAESDXL, else by the linear map of sampling/latent-colours.ts, which is fitted once for each model.
 * Pictures never fail because of it.
 */
import { previewFolder } from '../../core/environment.ts';
import { describeError } from '../../core/errors.ts';
import { encodeSmall } from '../../core/pictures/encode.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { openTinyAutoencoder } from '../models/tiny-autoencoder.ts';
import { Previews } from '../sampling/previews.ts';
import type { DrawnPicture, TextToImage } from '../sampling/text-to-image.ts';
import type { EngineWork } from './protocol.ts';

/** Least time between two previews, ms: progress is written once a second. */
const EVERY = 900;
/** The rest is at least so many times what the last preview took: a decoder is slow on a CPU. */
const REST = 10;
/** Longer side of a preview, pixels. */
const SIDE = 256;

/** The previews of each open model; null after a failure. */
const known = new WeakMap<ModelFolder, Promise<Previews | null>>();

interface Looked {
  /** Of the first of these latents, in the request. */
  readonly place: number;
  /** Pictures whose latents these are. */
  readonly count: number;
  readonly width: number;
  readonly height: number;
}

export class StepPreviews {
  readonly #tell: (event: EngineWork['draw']['event']) => void;
  readonly #score: ((picture: DrawnPicture) => Promise<number>) | null;
  /** Not before, ms. The first steps of a picture show little. */
  #next = performance.now() + EVERY / 2;

  /** @param score - the safety check's; null: none */
  constructor(
    tell: (event: EngineWork['draw']['event']) => void,
    score: ((picture: DrawnPicture) => Promise<number>) | null,
  ) {
    this.#tell = tell;
    this.#score = score;
  }

  /** Tells what the first of some pictures looks like, unless that was told a moment ago. @param latents - clean ones, [count,C,h,w] */
  async show(
    latents: Float32Array,
    { model }: TextToImage,
    { place, count, ...size }: Looked,
  ): Promise<void> {
    const began = performance.now();
    if (began < this.#next) return;
    const previews = await this.#previewsOf(model);
    if (previews === null) return;
    try {
      const picture = await previews.draw(latents.subarray(0, latents.length / count), size);
      const unsafe = (await this.#score?.(picture)) ?? null;
      this.#tell({ preview: { place, image: await encodeSmall(picture, SIDE), unsafe } });
    } catch (error) {
      known.set(model, Promise.resolve(null));
      this.#notice(`${model.name} has no previews`, error);
    }
    const now = performance.now();
    this.#next = now + Math.max(EVERY, REST * (now - began));
  }

  #previewsOf(model: ModelFolder): Promise<Previews | null> {
    const found = known.get(model) ?? this.#open(model);
    known.set(model, found);
    return found;
  }

  async #open(model: ModelFolder): Promise<Previews> {
    const folder = previewFolder(model.architecture.startsWith('sdxl'));
    if (folder === null) return new Previews(model, null);
    try {
      return new Previews(model, await openTinyAutoencoder(folder));
    } catch (error) {
      this.#notice(`${model.name} has coarse previews only`, error);
      return new Previews(model, null);
    }
  }

  #notice(what: string, error: unknown): void {
    const { code, message } = describeError(error);
    this.#tell({ notice: `${what}: ${code}: ${message}` });
  }
}
