/** @file Mochi, whom pictures in the docs show: photos of a drawn mascot, and what the embedded model draws with an adapter of it. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { DEFAULT_SETTINGS } from '../../core/settings/defaults.ts';
import { embeddedModel } from '../../core/package.ts';
import { encodePng } from '../../core/pictures/encode.ts';
import { trainingPrompt } from '../../core/prompt.ts';
import { modelCard } from '../../gpu-worker/adapters/model-card.ts';
import { TextToImage } from '../../gpu-worker/sampling/text-to-image.ts';
import { checkpointPath } from '../../gpu-worker/training/checkpoint.ts';
import { trainAdapter } from '../../gpu-worker/training/train.ts';
import { trainDefaults, trainRecipe } from '../../gpu-worker/training/train-options.ts';

const MASCOT = join(import.meta.dirname, '../../lab/evaluate/mascots/momo.svg');
const COLOURS = ['#cfe3f7', '#f7e2b8', '#d9f0d0', '#f3d3dd', '#e4e4e4'];
const SUBJECT = { token: 'sks', className: 'cat' };

/** At most five, one on each colour, a little turned. */
export async function mochiPhotos(count = 4, size = 512): Promise<{ name: string; bytes: Buffer }[]> {
  const svg = await readFile(MASCOT);
  return Promise.all(
    COLOURS.slice(0, count).map(async (background, n) => {
      const drawing = await sharp(svg, { density: 300 })
        .resize(Math.round(0.8 * size))
        .rotate([0, 6, -6, 3, -3][n], { background: '#0000' })
        .png()
        .toBuffer();
      const ground = { create: { width: size, height: size, channels: 3 as const, background } };
      const bytes = await sharp(ground)
        .composite([{ input: drawing }])
        .png()
        .toBuffer();
      return { name: `mochi-${n + 1}.png`, bytes };
    }),
  );
}

export class Mochi {
  readonly #painter: TextToImage;
  readonly #folder: string;

  private constructor(painter: TextToImage, folder: string) {
    this.#painter = painter;
    this.#folder = folder;
  }

  /** Trains at the defaults, with a checkpoint in the middle. Takes about half a minute. */
  static async train(): Promise<Mochi> {
    const painter = await TextToImage.open(embeddedModel);
    const folder = await mkdtemp(join(tmpdir(), 'krona-mochi-'));
    const mochi = new Mochi(painter, folder);
    const photos = await mochiPhotos();
    for (const { name, bytes } of photos) await writeFile(join(folder, name), bytes);
    const card = modelCard(painter.model);
    const defaults = trainDefaults(card);
    await trainAdapter({
      ...trainRecipe(card),
      ...defaults,
      model: embeddedModel,
      photos: photos.map(({ name }) => join(folder, name)),
      subjectToken: SUBJECT.token,
      subjectClass: SUBJECT.className,
      prompt: trainingPrompt(SUBJECT),
      method: 'krona',
      seed: 1,
      checkpointEvery: Math.floor(defaults.steps / 2),
      resume: false,
      trace: null,
      out: mochi.#adapter,
    });
    return mochi;
  }

  get #adapter(): string {
    return join(this.#folder, 'adapter.safetensors');
  }

  /**
   * Draws a prompt with mochi in it, PNG, 128×128.
   *
   * @param step draws with this checkpoint instead of the trained adapter
   */
  async draw(prompt: string, count: number, seed = 1, step?: number): Promise<Buffer[]> {
    const file = step === undefined ? this.#adapter : checkpointPath(this.#adapter, step);
    const { token, className } = SUBJECT;
    const pictures = await this.#painter.draw({
      prompt: prompt.replace('mochi', `${token} ${className}`),
      negative: null,
      steps: DEFAULT_SETTINGS.samplingSteps,
      guidance: DEFAULT_SETTINGS.guidance,
      scheduler: null,
      width: 128,
      height: 128,
      seed,
      count,
      noise: 'krona',
      adapter: await this.#painter.readAdapter(file),
    });
    return Promise.all(pictures.map((picture) => encodePng(picture, 9)));
  }

  async release(): Promise<void> {
    await this.#painter.release();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
