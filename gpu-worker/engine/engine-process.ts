/**
 * @file The engine process: owns every session, because a session's run blocks its thread and cannot be interrupted.
 * engine.ts starts it, and it serves until the channel between them closes.
 */
import { at } from '../../core/at.ts';
import { writeFile } from 'node:fs/promises';
import { setImmediate as nextLoop } from 'node:timers/promises';
import type { Device } from '../../core/config.ts';
import { endWithParent } from '../../core/end-with-parent.ts';
import { repeated } from '../../core/concatenated.ts';
import { KronaError } from '../../core/errors.ts';
import { machineMemory } from '../../core/machine-memory.ts';
import { encodePng } from '../../core/pictures/encode.ts';
import type { PromptLength } from '../../core/records.ts';
import type { AppliedAdapter } from '../adapters/adapter-inputs.ts';
import { modelCard } from '../adapters/model-card.ts';
import { chooseDevice, useDevice } from '../graph/device.ts';
import { deviceTrials } from '../graph/device-trial.ts';
import { checkModel } from '../models/model-check.ts';
import { openModel } from '../models/open-model.ts';
import { openMobileNet } from '../safety/mobilenet.ts';
import { unsafeScore } from '../safety/unsafe-score.ts';
import { noiseOfSeeds } from '../sampling/noise.ts';
import { fittedMask, fittedPixels, surrounded } from '../sampling/part-of-picture.ts';
import { checkRefiner, drawRefined } from '../sampling/refine.ts';
import { schedulerProblem } from '../sampling/schedulers/create-scheduler.ts';
import { steerBy, type Steer } from '../sampling/steering.ts';
import {
  checkAdapterFor,
  type TextToImage,
  type DrawnPicture,
  type StartPicture,
} from '../sampling/text-to-image.ts';
import { runSweep } from '../training/sweep.ts';
import { trainAdapter } from '../training/train.ts';
import {
  errorMessage,
  errorOf,
  KEPT_ADAPTERS,
  type EngineKind,
  type EngineWork,
  type FromEngine,
  type FromPicture,
  type PictureAsk,
  type SteerPictures,
  type ToEngine,
} from './protocol.ts';
import { ModelSpeeds } from './model-speeds.ts';
import { OpenModels } from './open-models.ts';
import { Turns, type Place } from './turns.ts';
import { Yielding } from './yielding.ts';

/** First pictures that somebody waits for, then background pictures, then training, then sweeps. */
const RANK = { draw: 0, background: 1, train: 2, sweep: 3 } as const;

const [folder, refinerFolder, asked, speedPath] = process.argv.slice(2) as [
  string,
  string,
  Device | '',
  string,
];
/** Chosen before the first session; every request fails if the device is missing. */
const device = chooseDevice(asked || null, deviceTrials).then((chosen) => {
  useDevice(chosen.device, chosen.dialect, chosen.memory);
  return chosen;
});
const turns = new Turns();
/** Sweeps end for trainings, and resume. */
const sweeps = new Yielding();
const running = new Map<number, AbortController>();

/** Opens once, on first use; again after a failure. */
function opened<T>(open: () => Promise<T>): () => Promise<T> {
  let known: Promise<T> | null = null;
  return () =>
    (known ??= open().catch((error: unknown) => {
      known = null;
      throw error;
    }));
}

const models = new OpenModels(machineMemory());
const speeds = new ModelSpeeds(speedPath, models);
const openClassifier = opened(openMobileNet);

async function unsafeness(picture: DrawnPicture): Promise<number> {
  const scores = await (await openClassifier()).classify([picture]);
  return unsafeScore(at(scores, 0));
}

const adapters = new Map<string, AppliedAdapter>();
async function readAdapter(painter: TextToImage, path: string): Promise<AppliedAdapter> {
  const key = `${painter.model.path} ${path}`;
  const adapter = adapters.get(key) ?? (await painter.readAdapter(path));
  adapters.delete(key);
  adapters.set(key, adapter);
  for (const oldest of [...adapters.keys()].slice(0, -KEPT_ADAPTERS)) adapters.delete(oldest);
  return adapter;
}

type Carry<K extends EngineKind> = (
  ask: EngineWork[K]['ask'],
  tell: (event: EngineWork[K]['event']) => void,
  signal: AbortSignal,
  onTurn: () => void,
  /** Path of the model. */
  model: string,
) => Promise<EngineWork[K]['answer']>;

const WORK: { readonly [K in EngineKind]: Carry<K> } = {
  device: () => device,

  async describe(_, tell, signal, onTurn, path) {
    const { problems } = await checkModel(path);
    const problem = problems.find(({ code }) => code !== 'MODEL_TENSOR_UNKNOWN');
    if (problem) throw KronaError.reported(problem);
    const model = await models.folder(path);
    // Prepares to draw, and throws if that can't be.
    await inTurn(signal, onTurn, () => models.painter(path));
    // Throws if no scheduler can sample the model.
    const otherScheduler = schedulerProblem(model.scheduler);
    if (otherScheduler !== null) tell({ notice: otherScheduler.message });
    const { found, refused } = await speeds.of(path);
    const ways = found.map(({ name, steps, guidance }) => ({ name, steps, guidance }));
    for (const notice of refused) tell({ notice });
    const card = { ...modelCard(model), ...(ways.length > 0 && { speeds: ways }) };
    if (refinerFolder === '') return card;
    const refiner = await openModel(refinerFolder);
    try {
      checkRefiner(model, refiner);
    } catch (error) {
      // It was chosen for the worker's own model.
      if (path !== folder) return card;
      throw error;
    }
    return { ...card, refiner: refiner.name };
  },

  async release(_, _tell, signal, onTurn, path) {
    speeds.forget(path);
    await inTurn(signal, onTurn, () => models.forget(path));
    return null;
  },

  async fits(adapter, _tell, _signal, _onTurn, path) {
    try {
      await checkAdapterFor(await models.folder(path), adapter);
      return true;
    } catch (error) {
      if (error instanceof KronaError && /^(?:ADAPTER|SAFETENSORS)_/.test(error.code)) return false;
      throw error;
    }
  },

  async train(options, tell, signal, onTurn, model) {
    const place = turns.enter(RANK.train, onTurn);
    try {
      return await sweeps.urgent(() =>
        trainAdapter(
          { ...options, model },
          {
            signal,
            turn: () => place.turn(signal),
            onProgress: (progress) => tell({ progress }),
            onSaved: async (saved) => tell({ saved }),
            onScored: (scored) => tell({ scored }),
            onState: (state) => tell({ state }),
          },
        ),
      );
    } finally {
      place.leave();
    }
  },

  async sweep(options, tell, signal, onTurn, model) {
    const train = async (ends: AbortSignal) => {
      const place = turns.enter(RANK.sweep, onTurn);
      try {
        return await runSweep(
          { ...options, model },
          {
            signal: ends,
            turn: () => place.turn(ends),
            onProgress: (progress) => tell({ progress }),
            onResult: (result) => tell({ result }),
          },
        );
      } finally {
        place.leave();
      }
    };
    return sweeps.run(train, signal, () => tell({ waits: true }));
  },

  async draw(
    { pictures, strength, background, check, refine = 0, speed = null, from, steeredBy, ...request },
    tell,
    signal,
    onTurn,
    model,
  ) {
    if (refine > 0 && refinerFolder === '')
      throw new KronaError(
        'REFINER_MISSING',
        '`refine` is above 0, but the worker has no refiner. Start it with KRONA_REFINER, or use refine:0.',
      );
    const place = turns.enter(background ? RANK.background : RANK.draw, onTurn);
    try {
      await place.turn(signal);
      const prompts = pictures.map(({ prompt = request.prompt }) => prompt);
      tell({ promptLength: longestPrompt(await models.painter(model), prompts) });
      const start = from && (await StartingPicture.of(from, request, model, place, signal));
      const steer = steeredBy && (await steerOf(steeredBy, request, model, place, signal));
      for (let done = 0; done < pictures.length;) {
        await place.turn(signal);
        const painter = await models.painter(model);
        const next = at(pictures, done);
        const fast = await speeds.named(speed, model);
        const adapter = fast === null ? [] : [await readAdapter(painter, fast.path)];
        for (const path of next.adapters) adapter.push({ ...(await readAdapter(painter, path)), strength });
        const seeds = alike(pictures.slice(done)).map(({ seed }) => seed);
        const all = {
          ...request,
          prompt: next.prompt ?? request.prompt,
          ...(fast && request.scheduler === null && { schedulerFields: fast.scheduler }),
          adapter,
          seed: at(seeds, 0),
          count: seeds.length,
          noise: 'krona' as const,
        };
        const count = await painter.picturesAtOnce(all);
        const asked = {
          ...all,
          count,
          ...(start && { start: start.repeated(count) }),
          ...(steer && { steer }),
        };
        const before = done;
        const hooks = {
          signal,
          turn: () => nextLoop(),
          onStep: (step: number, steps: number) =>
            tell({ step: before * steps + step * count, steps: pictures.length * steps }),
        };
        const noise = noiseOfSeeds(seeds.slice(0, count));
        const drawn =
          refine > 0 && !start
            ? await drawRefined(
                painter,
                await models.painter(refinerFolder, [model]),
                asked,
                { from: 1 - refine },
                hooks,
                noise,
              )
            : await painter.draw(asked, hooks, noise);
        for (const made of drawn) {
          const picture = start ? await start.around(made) : made;
          const { width, height } = picture;
          const unsafe = check ? await unsafeness(picture) : null;
          tell({ picture: { place: done++, width, height, png: await encodePng(picture, 9), unsafe } });
        }
      }
      return null;
    } finally {
      place.leave();
    }
  },
};

/** The first pictures, as many as have the same adapters and prompt. */
function alike(pictures: readonly PictureAsk[]): readonly PictureAsk[] {
  const kind = ({ adapters, prompt }: PictureAsk): string => [prompt ?? '', ...adapters].join('\n');
  const other = pictures.findIndex((picture) => kind(picture) !== kind(at(pictures, 0)));
  return other < 0 ? pictures : pictures.slice(0, other);
}

function longestPrompt(painter: TextToImage, prompts: readonly string[]): PromptLength {
  return prompts
    .map((prompt) => painter.promptLength(prompt))
    .reduce((longest, each) => (each.tokens > longest.tokens ? each : longest));
}

/** Pictures that steer a request, at its size. */
function steerOf(
  pictures: SteerPictures,
  { width, height }: { readonly width: number; readonly height: number },
  model: string,
  place: Place,
  signal: AbortSignal,
): Promise<Steer> {
  return steerBy(pictures, async (png) => {
    const pixels = await fittedPixels(png, { width, height });
    await place.turn(signal);
    return (await models.painter(model)).latentsOf({ width, height, pixels });
  });
}

/** A picture to begin with at a request's size. */
class StartingPicture {
  readonly #start: Extract<StartPicture, { strength: number }>;
  readonly #pixels: Uint8Array;
  readonly #mask: Uint8Array | null;

  private constructor(
    start: Extract<StartPicture, { strength: number }>,
    pixels: Uint8Array,
    mask: Uint8Array | null,
  ) {
    this.#start = start;
    this.#pixels = pixels;
    this.#mask = mask;
  }

  static async of(
    { png, strength, mask: maskPng }: FromPicture,
    { width, height }: { readonly width: number; readonly height: number },
    model: string,
    place: Place,
    signal: AbortSignal,
  ): Promise<StartingPicture> {
    const pixels = await fittedPixels(png, { width, height });
    const mask = maskPng === undefined ? null : await fittedMask(maskPng, { width, height });
    await place.turn(signal);
    const painter = await models.painter(model);
    const latents = await painter.latentsOf({ width, height, pixels });
    const part = mask && { mask: painter.latentMask(mask, width, height) };
    return new StartingPicture({ latents, strength, ...part }, pixels, mask);
  }

  /** Of so many pictures. */
  repeated(count: number): StartPicture {
    return { ...this.#start, latents: repeated(this.#start.latents, count) };
  }

  /** A drawn picture with this one around the part that was drawn anew. */
  around(drawn: DrawnPicture): Promise<DrawnPicture> {
    return this.#mask === null ? Promise.resolve(drawn) : surrounded(drawn, this.#pixels, this.#mask);
  }
}

const send = (message: FromEngine): void => void process.send?.(message);

/** Does short work in a turn of its own, before everything that waits. */
async function inTurn<T>(signal: AbortSignal, onTurn: () => void, work: () => Promise<T>): Promise<T> {
  const place = turns.enter(RANK.draw, onTurn);
  try {
    await place.turn(signal);
    return await work();
  } finally {
    place.leave();
  }
}

async function carryOut<K extends EngineKind>(
  id: number,
  kind: K,
  model: string,
  ask: EngineWork[K]['ask'],
): Promise<void> {
  const abort = new AbortController();
  running.set(id, abort);
  try {
    await device;
    const answer = await WORK[kind](
      ask,
      (event) => send({ type: 'event', id, event }),
      abort.signal,
      () => send({ type: 'turn', id }),
      model,
    );
    send({ type: 'done', id, answer });
  } catch (error) {
    send({ type: 'failed', id, error: errorMessage(error) });
  } finally {
    running.delete(id);
  }
}

process.on('message', (message: ToEngine) => {
  if (message.type === 'cancel') running.get(message.id)?.abort(errorOf(message.reason));
  else void carryOut(message.id, message.kind, message.model, message.ask);
});
// The worker closed the channel, or crashed.
process.on('disconnect', () => process.exit());
endWithParent();
// A terminal sends Ctrl-C to all its processes, but the worker decides when the engine stops.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
// If memory runs out, Linux kills this process rather than the worker, which then reports it.
await writeFile('/proc/self/oom_score_adj', '500').catch(() => {});
