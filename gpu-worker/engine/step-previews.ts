/**
 * @file What pictures of a request look like while they are drawn: at most one small preview a second, by the linear map of
 * sampling/latent-colours.ts, which is fitted once for each model. Pictures never fail because of it.
 */
import { describeError } from '../../core/errors.ts';
import { encodeSmall } from '../../core/pictures/encode.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { Previews } from '../sampling/previews.ts';
import type { DrawnPicture, TextToImage } from '../sampling/text-to-image.ts';
import type { EngineWork } from './protocol.ts';

/** Least time between two previews, ms: progress is written once a second. */
const EVERY = 900;
/** Longer side of a preview, pixels. */
const SIDE = 256;

/** The map of each open model; null after a failure. */
const known = new WeakMap<ModelFolder, Previews | null>();

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
  /** The first steps of a picture show little. */
  #last = performance.now() - EVERY / 2;

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
    const previews = known.has(model) ? known.get(model) : new Previews(model, null);
    if (!previews || performance.now() < this.#last + EVERY) return;
    known.set(model, previews);
    try {
      const picture = await previews.draw(latents.subarray(0, latents.length / count), size);
      const unsafe = (await this.#score?.(picture)) ?? null;
      this.#tell({ preview: { place, image: await encodeSmall(picture, SIDE), unsafe } });
      this.#last = performance.now();
    } catch (error) {
      known.set(model, null);
      const { code, message } = describeError(error);
      this.#tell({ notice: `${model.name} has no previews: ${code}: ${message}` });
    }
  }
}
