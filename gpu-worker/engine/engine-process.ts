/**
 * @file The engine process: owns every session of one model folder, because a session's run blocks its thread and cannot
 * be interrupted. engine.ts starts it, and it serves until the channel between them closes.
 */
import { at } from '../../core/at.ts';
import { writeFile } from 'node:fs/promises';
import { setImmediate as nextLoop } from 'node:timers/promises';
import type { Device } from '../../core/config.ts';
import { endWithParent } from '../../core/end-with-parent.ts';
import { concatenated } from '../../core/concatenated.ts';
import { KronaError } from '../../core/errors.ts';
import { encodePng } from '../../core/pictures/encode.ts';
import { Picture } from '../../core/pictures/picture.ts';
import type { AppliedAdapter } from '../adapters/adapter-inputs.ts';
import { modelCard } from '../adapters/model-card.ts';
import { chooseDevice, useDevice } from '../graph/device.ts';
import { deviceTrials } from '../graph/device-trial.ts';
import { checkModel } from '../models/model-check.ts';
import { openModel } from '../models/open-model.ts';
import { openMobileNet } from '../safety/mobilenet.ts';
import { unsafeScore } from '../safety/unsafe-score.ts';
import { noiseOfSeeds } from '../sampling/noise.ts';
import { checkRefiner, drawRefined } from '../sampling/refine.ts';
import { schedulerProblem } from '../sampling/schedulers/create-scheduler.ts';
import { TextToImage, type DrawnPicture, type StartPicture } from '../sampling/text-to-image.ts';
import { runSweep } from '../training/sweep.ts';
import { trainAdapter } from '../training/train.ts';
import {
  errorMessage,
  errorOf,
  type EngineKind,
  type EngineWork,
  type FromEngine,
  type FromPicture,
  type PictureAsk,
  type ToEngine,
} from './protocol.ts';
import { Turns, type Place } from './turns.ts';
import { Yielding } from './yielding.ts';

/** First pictures that somebody waits for, then background pictures, then training, then sweeps. */
const RANK = { draw: 0, background: 1, train: 2, sweep: 3 } as const;

/** Adapters kept in memory, so that switching between a few costs nothing. */
const KEPT_ADAPTERS = 4;

const [folder, refinerFolder, asked] = process.argv.slice(2) as [string, string, Device | ''];
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

const openPainter = opened(() => TextToImage.open(folder));
const openRefiner = opened(() => TextToImage.open(refinerFolder));
const openClassifier = opened(openMobileNet);

async function unsafeness(picture: DrawnPicture): Promise<number> {
  const scores = await (await openClassifier()).classify([picture]);
  return unsafeScore(at(scores, 0));
}

const adapters = new Map<string, AppliedAdapter>();
async function readAdapter(path: string): Promise<AppliedAdapter> {
  const adapter = adapters.get(path) ?? (await (await openPainter()).readAdapter(path));
  adapters.delete(path);
  adapters.set(path, adapter);
  for (const oldest of [...adapters.keys()].slice(0, -KEPT_ADAPTERS)) adapters.delete(oldest);
  return adapter;
}

type Carry<K extends EngineKind> = (
  ask: EngineWork[K]['ask'],
  tell: (event: EngineWork[K]['event']) => void,
  signal: AbortSignal,
) => Promise<EngineWork[K]['answer']>;

const WORK: { readonly [K in EngineKind]: Carry<K> } = {
  device: () => device,

  async describe(_, tell) {
    const { problems } = await checkModel(folder);
    const problem = problems.find(({ code }) => code !== 'MODEL_TENSOR_UNKNOWN');
    if (problem) throw KronaError.reported(problem);
    const { model } = await openPainter();
    // Throws if no scheduler can sample the model.
    const otherScheduler = schedulerProblem(model.scheduler);
    if (otherScheduler !== null) tell({ notice: otherScheduler.message });
    if (refinerFolder === '') return modelCard(model);
    const refiner = await openModel(refinerFolder);
    checkRefiner(model, refiner);
    return { ...modelCard(model), refiner: refiner.name };
  },

  async fits(path) {
    try {
      await (await openPainter()).checkAdapter(path);
      return true;
    } catch (error) {
      if (error instanceof KronaError && /^(?:ADAPTER|SAFETENSORS)_/.test(error.code)) return false;
      throw error;
    }
  },

  async train(options, tell, signal) {
    const place = turns.enter(RANK.train);
    try {
      return await sweeps.urgent(() =>
        trainAdapter(
          { ...options, model: folder },
          {
            signal,
            turn: () => place.turn(signal),
            onProgress: (progress) => tell({ progress }),
            onSaved: async (saved) => tell({ saved }),
            onScored: (scored) => tell({ scored }),
          },
        ),
      );
    } finally {
      place.leave();
    }
  },

  async sweep(options, tell, signal) {
    const train = async (ends: AbortSignal) => {
      const place = turns.enter(RANK.sweep);
      try {
        return await runSweep(
          { ...options, model: folder },
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

  async draw({ pictures, strength, background, check, refine = 0, from, ...request }, tell, signal) {
    if (refine > 0 && refinerFolder === '')
      throw new KronaError(
        'REFINER_MISSING',
        '`refine` is above 0, but the worker has no refiner. Start it with KRONA_REFINER, or use refine:0.',
      );
    const place = turns.enter(background ? RANK.background : RANK.draw);
    try {
      tell({ promptLength: (await openPainter()).promptLength(request.prompt) });
      const start = from && (await startPicture(from, request, place, signal));
      for (let done = 0; done < pictures.length;) {
        await place.turn(signal);
        const painter = await openPainter();
        const adapter = [];
        for (const path of at(pictures, done).adapters)
          adapter.push({ ...(await readAdapter(path)), strength });
        const seeds = sameAdapters(pictures.slice(done)).map(({ seed }) => seed);
        const all = {
          ...request,
          adapter,
          seed: at(seeds, 0),
          count: seeds.length,
          noise: 'krona' as const,
        };
        const count = await painter.picturesAtOnce(all);
        const asked = {
          ...all,
          count,
          ...(start && { start: { ...start, latents: repeated(start.latents, count) } }),
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
            ? await drawRefined(painter, await openRefiner(), asked, { from: 1 - refine }, hooks, noise)
            : await painter.draw(asked, hooks, noise);
        for (const picture of drawn) {
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

/** The first pictures, as many as have the same adapters. */
function sameAdapters(pictures: readonly PictureAsk[]): readonly PictureAsk[] {
  const adapters = (picture: PictureAsk): string => picture.adapters.join('\n');
  const other = pictures.findIndex((picture) => adapters(picture) !== adapters(at(pictures, 0)));
  return other < 0 ? pictures : pictures.slice(0, other);
}

const repeated = (values: Float32Array, count: number): Float32Array =>
  concatenated(Array<Float32Array>(count).fill(values));

/** A picture enlarged to a request's size, as latents. */
async function startPicture(
  { png: bytes, strength }: FromPicture,
  { width, height }: { width: number; height: number },
  place: Place,
  signal: AbortSignal,
): Promise<StartPicture> {
  const picture = await Picture.open(bytes, 'The picture');
  const { data: pixels } = await picture.render((image) =>
    image
      .resize(width, height, { fit: 'fill', kernel: 'lanczos3' })
      .flatten({ background: 'white' })
      .toColourspace('srgb')
      .raw(),
  );
  await place.turn(signal);
  return { latents: await (await openPainter()).latentsOf({ width, height, pixels }), strength };
}

const send = (message: FromEngine): void => void process.send?.(message);

async function carryOut<K extends EngineKind>(id: number, kind: K, ask: EngineWork[K]['ask']): Promise<void> {
  const abort = new AbortController();
  running.set(id, abort);
  try {
    await device;
    const answer = await WORK[kind](ask, (event) => send({ type: 'event', id, event }), abort.signal);
    send({ type: 'done', id, answer });
  } catch (error) {
    send({ type: 'failed', id, error: errorMessage(error) });
  } finally {
    running.delete(id);
  }
}

process.on('message', (message: ToEngine) => {
  if (message.type === 'cancel') running.get(message.id)?.abort(errorOf(message.reason));
  else void carryOut(message.id, message.kind, message.ask);
});
// The worker closed the channel, or crashed.
process.on('disconnect', () => process.exit());
endWithParent();
// A terminal sends Ctrl-C to all its processes, but the worker decides when the engine stops.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
// If memory runs out, Linux kills this process rather than the worker, which then reports it.
await writeFile('/proc/self/oom_score_adj', '500').catch(() => {});
