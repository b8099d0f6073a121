/**
 * @file Draws more like some pictures and less like others, without training (FABRIC, arXiv 2307.10159, section 3): in each
 * of the first steps they get the step's noise, pass through the UNet, and what its self-attention read of them is read
 * beside the new picture's own tokens. With guidance, rows of the prompt read liked pictures and those without it disliked
 * ones, so guidance leads from these to those.
 */
import { concatenated, repeated } from '../../core/concatenated.ts';
import { KeyedRandom } from '../../core/random.ts';
import { adapterInputs, shapesKey } from '../adapters/adapter-inputs.ts';
import { BESIDE_LOG_WEIGHTS, besideName, keepTokens } from '../models/beside.ts';
import { compile } from '../graph/compile.ts';
import { devicePrecision } from '../graph/device.ts';
import { Session, type Feeds } from '../graph/runtime.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { frozenParameters } from '../models/parameters.ts';
import { unet, unetInputs } from '../models/unet.ts';
import type { InpaintingChannels } from './inpainting-channels.ts';
import { SessionCache } from './session-cache.ts';
import { levelAt } from './schedulers/noise-levels.ts';
import type { UNetBatch } from './unet-runs.ts';
import { zip2 } from './zip.ts';

/**
 * Measured by eye on krona-emoji: half of the steps decide grounds and shapes, and all of them blur. The paper's code gives
 * tokens of other pictures the weight of the picture's own.
 */
export const STEERING = { weight: 1, until: 0.5 } as const;

export interface Steer {
  /** Scaled latents [C,h,w] of each, as `latentsOf` gives them, of the size that is drawn. */
  readonly liked: readonly Float32Array[];
  /** As `liked`; without guidance they have no effect. */
  readonly disliked: readonly Float32Array[];
  /** Of a token of theirs beside one of the picture's own, which has 1; above 0. */
  readonly weight: number;
  /** Share of the steps, from the first, in which they are read, in (0, 1]. */
  readonly until: number;
}

/**
 * Steers by pictures as a caller has them, with the measured weight and share of the steps.
 *
 * @param latents - scaled latents of one, of the size that is drawn; one after the other
 */
export async function steerBy<P>(
  { liked, disliked }: { readonly liked: readonly P[]; readonly disliked: readonly P[] },
  latents: (picture: P) => Promise<Float32Array>,
): Promise<Steer> {
  const each = async (pictures: readonly P[]): Promise<Float32Array[]> => {
    const all: Float32Array[] = [];
    for (const picture of pictures) all.push(await latents(picture));
    return all;
  };
  return { liked: await each(liked), disliked: await each(disliked), ...STEERING };
}

/** One for all runs, so that a picture is the same in a set of any size. */
const NOISE_SEED = 1;

/** Per token of a picture that fills a place; e^-1000 is 0 in every precision. */
const NO_WEIGHT = -1000;

/** Tokens by path, picture after picture. */
type Tokens = Readonly<Record<string, Float32Array>>;

/** Runs the UNet on reference pictures. */
export class ReferenceStates {
  readonly #model: ModelFolder;
  readonly #sessions = new SessionCache<Session<Tokens>>(1);

  constructor(model: ModelFolder) {
    this.#model = model;
  }

  /** @param batch whose rows are the pictures */
  async of(batch: UNetBatch, feeds: Feeds): Promise<Tokens> {
    const { rows, height, width, tokens, adapters } = batch;
    const key = `${rows}x${height}x${width}x${tokens} ${shapesKey(adapters)}`;
    const session = await this.#sessions.get(key, () =>
      Session.create(compile(this.#kept(batch), { precision: devicePrecision('drawing') })),
    );
    return session.run(feeds);
  }

  release(): Promise<void> {
    return this.#sessions.release();
  }

  #kept({ rows, height, width, tokens, adapters }: UNetBatch): Readonly<Record<string, Tensor>> {
    const { config, tensors, name } = this.#model.unet;
    const parameters = adapterInputs(adapters)(frozenParameters(name, tensors), '');
    const kept = new Map<string, Tensor>();
    unet(config, parameters, unetInputs(config, rows, height, width, tokens), { beside: keepTokens(kept) });
    return Object.fromEntries(kept);
  }
}

export interface BesideFeeds {
  /** Beside each row. */
  readonly pictures: number;
  /** For each row. */
  readonly feeds: Readonly<Record<string, Float32Array>>;
}

interface SteeredRun {
  /** ᾱ by timestep. */
  readonly levels: Float32Array;
  /** Pictures drawn together. */
  readonly count: number;
  readonly guided: boolean;
  /** What a UNet for inpainting reads beside the pictures' latents; null: the model has none. */
  readonly beside: InpaintingChannels | null;
}

/** What a run's self-attention reads in each of its steps. */
export class Steering {
  readonly #states: ReferenceStates;
  readonly #steer: Steer;
  readonly #run: SteeredRun;

  constructor(states: ReferenceStates, steer: Steer, run: SteeredRun) {
    this.#states = states;
    this.#steer = run.guided ? steer : { ...steer, disliked: [] };
    this.#run = run;
  }

  get until(): number {
    return this.#steer.until;
  }

  /**
   * Of one step; null where there are no pictures.
   *
   * @param batch of the run's own rows
   * @param fixed inputs of these rows, of which the pictures get those of the first, without the prompt
   * @param shared inputs that all rows share
   */
  async at(
    step: number,
    timestep: number,
    batch: UNetBatch,
    fixed: Readonly<Record<string, Float32Array>>,
    shared: Feeds,
  ): Promise<BesideFeeds | null> {
    const { liked, disliked, weight } = this.#steer;
    const pictures = [...liked, ...disliked];
    const beside = Math.max(liked.length, disliked.length);
    if (beside === 0) return null;
    const first = Object.entries(fixed).map(
      ([name, values]) =>
        [name, repeated(values.subarray(0, values.length / batch.rows), pictures.length)] as const,
    );
    const noised = concatenated(pictures.map((latents, n) => this.#noised(latents, timestep, step, n)));
    const tokens = await this.#states.of(
      { ...batch, rows: pictures.length },
      {
        ...Object.fromEntries(first),
        ...shared,
        latents: this.#run.beside?.after(noised, pictures.length) ?? noised,
        timesteps: new Float32Array(pictures.length).fill(timestep),
      },
    );
    const { count, guided } = this.#run;
    const ofRow = Array.from({ length: batch.rows }, (_, row) => {
      const reads =
        guided && row < count ? { from: liked.length, to: pictures.length } : { from: 0, to: liked.length };
      return Array.from({ length: beside }, (__, n) => (reads.from + n < reads.to ? reads.from + n : null));
    });
    const feeds = Object.entries(tokens).map(([path, values]) => {
      const each = values.length / pictures.length;
      const rows = ofRow
        .flat()
        .map((n) => (n === null ? new Float32Array(each) : values.subarray(n * each, (n + 1) * each)));
      return [besideName(path), concatenated(rows)] as const;
    });
    const logWeights = Float32Array.from(ofRow.flat(), (n) => (n === null ? NO_WEIGHT : Math.log(weight)));
    return { pictures: beside, feeds: { ...Object.fromEntries(feeds), [BESIDE_LOG_WEIGHTS]: logWeights } };
  }

  /** √ᾱ·latents + √(1 - ᾱ)·noise, which every scheduler's model input has. */
  #noised(latents: Float32Array, timestep: number, step: number, picture: number): Float32Array {
    const { levels } = this.#run;
    const level = levelAt(levels, timestep);
    const noise = new KeyedRandom(NOISE_SEED, `steering picture ${picture}`, step).normals(latents.length);
    const [signal, sigma] = [Math.sqrt(level), Math.sqrt(1 - level)];
    return zip2(latents, noise, (x, fresh) => signal * x + sigma * fresh);
  }
}
