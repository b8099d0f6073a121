/**
 * @file The models that the engine process has open: the headers of all that were asked for, and the sessions of as many as
 * memory allows, those that were used last.
 */
import { currentMemory, devicePrecision } from '../graph/device.ts';
import { BYTES } from '../graph/shape-rules.ts';
import { sizeOf } from '../graph/shapes.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { openModel } from '../models/open-model.ts';
import { TextToImage } from '../sampling/text-to-image.ts';

/** Share of the memory for the weights of all open models; the rest is for what they compute, and for trainings. */
const SHARE = 0.6;

/** Bytes that a model's weights take on the device. */
function weightBytes({ unet, vae, textEncoders }: ModelFolder): number {
  const numbers = [unet, vae, ...textEncoders].flatMap(({ tensors }) =>
    [...tensors.values()].map(({ shape }) => sizeOf(shape)),
  );
  return BYTES[devicePrecision('drawing')] * numbers.reduce((sum, each) => sum + each, 0);
}

/** What is opened by path. */
interface Opening {
  open(path: string): Promise<TextToImage>;
}

export class OpenModels {
  readonly #folders = new Map<string, Promise<ModelFolder>>();
  /** The one that was used last comes last. */
  readonly #painters = new Map<string, { readonly painter: TextToImage; readonly bytes: number }>();
  readonly #memory: () => number;
  readonly #opening: Opening;

  /** @param memory - bytes of the machine, for devices that don't tell theirs */
  constructor(memory: number, opening: Opening = TextToImage) {
    this.#memory = () => SHARE * Math.min(memory, currentMemory());
    this.#opening = opening;
  }

  /** Paths of the models whose sessions are open. */
  get open(): readonly string[] {
    return [...this.#painters.keys()];
  }

  /** A model's headers; read again after a failure. @throws KronaError as openModel */
  folder(path: string): Promise<ModelFolder> {
    const known = this.#folders.get(path);
    if (known) return known;
    const opened = openModel(path).catch((error: unknown) => {
      this.#folders.delete(path);
      throw error;
    });
    this.#folders.set(path, opened);
    return opened;
  }

  /**
   * A model that draws. Others are released until their weights fit beside it, so this is called by whoever has the turn on
   * the device: nobody else is running one.
   *
   * @param beside - paths that stay open, as they draw together with it
   * @throws KronaError as TextToImage.open
   */
  async painter(path: string, beside: readonly string[] = []): Promise<TextToImage> {
    const known = this.#painters.get(path);
    if (known) {
      this.#painters.delete(path);
      this.#painters.set(path, known);
      return known.painter;
    }
    const bytes = weightBytes(await this.folder(path));
    for (const other of this.open) {
      if (this.#bytes + bytes <= this.#memory()) break;
      if (!beside.includes(other)) await this.#close(other);
    }
    const painter = await this.#opening.open(path);
    this.#painters.set(path, { painter, bytes });
    return painter;
  }

  /** Closes a model and forgets it: its files go, or others took their place. */
  async forget(path: string): Promise<void> {
    this.#folders.delete(path);
    await this.#close(path);
  }

  get #bytes(): number {
    return [...this.#painters.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async #close(path: string): Promise<void> {
    const open = this.#painters.get(path);
    this.#painters.delete(path);
    await open?.painter.release();
  }
}
