/**
 * @file The engine process: owns every session, because a session's run blocks its thread and cannot be interrupted.
 * engine.ts starts it, and it serves until the channel between them closes.
 */
import { writeFile } from 'node:fs/promises';
import type { Device } from '../../core/config.ts';
import { endWithParent } from '../../core/end-with-parent.ts';
import { KronaError } from '../../core/errors.ts';
import { machineMemory } from '../../core/machine-memory.ts';
import { modelCard } from '../adapters/model-card.ts';
import { chooseDevice, useDevice } from '../graph/device.ts';
import { deviceTrials } from '../graph/device-trial.ts';
import { checkModel } from '../models/model-check.ts';
import { openModel } from '../models/open-model.ts';
import { checkRefiner } from '../sampling/refine.ts';
import { schedulerProblem } from '../sampling/schedulers/create-scheduler.ts';
import { checkAdapterFor } from '../sampling/text-to-image.ts';
import { runSweep } from '../training/sweep.ts';
import { trainAdapter } from '../training/train.ts';
import { drawPictures } from './drawing.ts';
import {
  errorMessage,
  errorOf,
  type EngineKind,
  type EngineWork,
  type FromEngine,
  type ToEngine,
} from './protocol.ts';
import { ModelSpeeds } from './model-speeds.ts';
import { OpenModels } from './open-models.ts';
import { Turns } from './turns.ts';
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

const models = new OpenModels(machineMemory());
const speeds = new ModelSpeeds(speedPath, models);
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
            onState: (state) => tell({ state }),
          },
        );
      } finally {
        place.leave();
      }
    };
    return sweeps.run(train, signal, () => tell({ waits: true }));
  },

  async draw({ background, ...ask }, tell, signal, onTurn, model) {
    if ((ask.refine ?? 0) > 0 && refinerFolder === '')
      throw new KronaError(
        'REFINER_MISSING',
        '`refine` is above 0, but the worker has no refiner. Start it with KRONA_REFINER, or use refine:0.',
      );
    const place = turns.enter(background ? RANK.background : RANK.draw, onTurn);
    try {
      await place.turn(signal);
      await drawPictures(ask, { models, speeds, model, refiner: refinerFolder, place, signal, tell });
      return null;
    } finally {
      place.leave();
    }
  },
};

/** A worker that has died hears nothing; its end, `disconnect`, is this process's. */
const send = (message: FromEngine): void => void process.send?.(message, undefined, undefined, () => {});

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
