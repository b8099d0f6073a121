/**
 * @file The worker's side of the engine process: sends requests, receives events, cancels, and restarts it after a crash.
 * The worker's own loop never computes, so it renews locks and hears cancellations at any time.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { EngineDevice } from '../../core/config.ts';
import { cardEnvironment, childEnvironment } from '../../core/environment.ts';
import { KronaError } from '../../core/errors.ts';
import { readFileIfAny } from '../../core/files.ts';
import { nodeOptions, ownProgram } from '../../core/own-program.ts';
import type { ModelCard } from '../../core/settings/model-card.ts';
import type { ChosenDevice } from '../graph/device.ts';
import type { SweepResult } from '../training/sweep.ts';
import type { TrainResult } from '../training/train-options.ts';
import {
  errorMessage,
  errorOf,
  type EngineKind,
  type EngineWork,
  type FromEngine,
  type ToEngine,
} from './protocol.ts';

/** Time that a cancelled request, or a closing process, gets to finish its current step, ms. */
const GRACE = 60_000;

interface Open {
  readonly child: ChildProcess;
  tell(event: unknown): void;
  resolve(answer: unknown): void;
  reject(error: unknown): void;
}

export interface AskOptions<K extends EngineKind> {
  readonly onEvent?: (event: EngineWork[K]['event']) => void;
  readonly signal?: AbortSignal;
}

export class Engine {
  readonly #model: string;
  readonly #refiner: string | null;
  readonly #speed: string | null;
  readonly #device: EngineDevice;
  readonly #grace: number;
  /** Whose process computes; null: its own. */
  readonly #through: Engine | null;
  readonly #open = new Map<number, Open>();
  #child: ChildProcess | null = null;
  /** The request that computes; null: none does. */
  #atWork: number | null = null;
  /** Processes that were killed because a cancelled request did not end. */
  readonly #killed = new WeakSet<ChildProcess>();
  #lastId = 0;
  #closed = false;

  /**
   * Starts nothing: the process starts with the first request, and again after a crash.
   * @param model path of the model that it draws and trains with; of others, see `on`
   * @param refiner path of the refiner's folder; null: none
   * @param speed path of an adapter for few steps, or of a folder of them; null: none
   * @param device by default the best that works
   * @param through the engine whose process to use; a new one by default
   * @param graceMs if a request is not cancelled within this time, the process is killed, with all other requests
   */
  constructor(
    model: string,
    {
      refiner = null,
      speed = null,
      device = { kind: null, card: null },
      graceMs = GRACE,
      through = null,
    }: {
      refiner?: string | null;
      speed?: string | null;
      device?: EngineDevice;
      graceMs?: number;
      through?: Engine | null;
    } = {},
  ) {
    this.#model = model;
    this.#refiner = refiner;
    this.#speed = speed;
    this.#device = device;
    this.#grace = graceMs;
    this.#through = through;
  }

  /** The same engine with another model: it keeps as many open as memory allows. @param model its path */
  on(model: string): Engine {
    return model === this.#model ? this : new Engine(model, { through: this.#through ?? this });
  }

  /** Closes the model, whose files go or change. @throws KronaError ENGINE_DIED */
  async release(): Promise<void> {
    await this.#ask('release', null, {});
  }

  /** The device in use. @throws KronaError DEVICE_UNAVAILABLE, ENGINE_DIED */
  device(): Promise<ChosenDevice> {
    return this.#ask('device', null, {});
  }

  /** Resident memory of the process, bytes; 0 while it does not run, or where the system has no /proc. */
  async memory(): Promise<number> {
    const pid = this.#child?.pid;
    // It can end at any moment.
    const status = pid === undefined ? null : await readFileIfAny(`/proc/${pid}/status`).catch(() => null);
    return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(status ?? '')?.[1] ?? 0);
  }

  /** Checks the models and prepares to draw. @throws KronaError MODEL_*, SAFETENSORS_*, REFINER_UNFIT, ENGINE_DIED */
  describe(options: AskOptions<'describe'> = {}): Promise<ModelCard> {
    return this.#ask('describe', null, options);
  }

  /** Whether the adapter at a path can draw with the model. @throws KronaError FILE_*, ENGINE_DIED, ENGINE_RESTARTED */
  fits(adapter: string): Promise<boolean> {
    return this.#ask('fits', adapter, {});
  }

  /** @throws KronaError as trainAdapter, ENGINE_DIED or ENGINE_RESTARTED (both retryable); the signal's reason when it aborts */
  train(ask: EngineWork['train']['ask'], options: AskOptions<'train'> = {}): Promise<TrainResult> {
    return this.#ask('train', ask, options);
  }

  /**
   * Trains the grid while no training is there, and resumes it in its folder.
   * @throws KronaError as runSweep, ENGINE_DIED or ENGINE_RESTARTED (both retryable); the signal's reason when it aborts
   */
  sweep(ask: EngineWork['sweep']['ask'], options: AskOptions<'sweep'> = {}): Promise<readonly SweepResult[]> {
    return this.#ask('sweep', ask, options);
  }

  /**
   * Draws pictures and sends them one by one as PNG. Never waits for a training, which pauses between two steps.
   * @throws KronaError as TextToImage.draw, ENGINE_DIED or ENGINE_RESTARTED (both retryable); the signal's reason when it aborts
   */
  async draw(ask: EngineWork['draw']['ask'], options: AskOptions<'draw'> = {}): Promise<void> {
    await this.#ask('draw', ask, options);
  }

  /** Ends the process. Running requests fail with ENGINE_DIED. */
  async close(): Promise<void> {
    this.#closed = true;
    const child = this.#child;
    if (child === null) return;
    const ended = once(child, 'exit');
    const kill = setTimeout(() => child.kill('SIGKILL'), this.#grace);
    if (child.connected) child.disconnect();
    await ended;
    clearTimeout(kill);
  }

  #ask<K extends EngineKind>(
    kind: K,
    ask: EngineWork[K]['ask'],
    options: AskOptions<K>,
  ): Promise<EngineWork[K]['answer']> {
    return (this.#through ?? this).#send(kind, this.#model, ask, options);
  }

  async #send<K extends EngineKind>(
    kind: K,
    model: string,
    ask: EngineWork[K]['ask'],
    { onEvent, signal }: AskOptions<K>,
  ): Promise<EngineWork[K]['answer']> {
    signal?.throwIfAborted();
    const child = this.#ensureChild();
    const id = ++this.#lastId;
    let kill: NodeJS.Timeout | undefined;
    const cancel = (): void => {
      send(child, { type: 'cancel', id, reason: errorMessage(signal!.reason) });
      kill = setTimeout(() => {
        this.#killed.add(child);
        child.kill('SIGKILL');
      }, this.#grace);
    };
    try {
      return await new Promise<EngineWork[K]['answer']>((resolve, reject) => {
        this.#open.set(id, {
          child,
          tell: (event) => onEvent?.(event as EngineWork[K]['event']),
          resolve: (answer) => resolve(answer as EngineWork[K]['answer']),
          reject,
        });
        send(child, { type: 'ask', id, kind, model, ask } as ToEngine);
        signal?.addEventListener('abort', cancel);
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      this.#open.delete(id);
      clearTimeout(kill);
      signal?.removeEventListener('abort', cancel);
    }
  }

  #ensureChild(): ChildProcess {
    if (this.#closed) throw died('closed');
    if (this.#child?.connected) return this.#child;
    const args = [this.#model, this.#refiner ?? '', this.#device.kind ?? '', this.#speed ?? ''];
    const child = fork(ownProgram(import.meta.dirname, 'engine-process'), args, {
      // However this process was started itself: by tsx, or by a test runner.
      execArgv: [...nodeOptions],
      env: childEnvironment('engine', cardEnvironment(this.#device.card)),
      serialization: 'advanced',
      // The runtime's output goes to the log, never into a command's output.
      stdio: ['ignore', 2, 2, 'ipc'],
    });
    this.#child = child;
    child.on('message', (message: FromEngine) => this.#hear(message));
    child.on('exit', (code, signal) => this.#bury(child, signal ?? `exit code ${code}`));
    child.on('error', (error) => {
      if (child.pid === undefined) this.#bury(child, error.message);
    });
    return child;
  }

  #hear(message: FromEngine): void {
    const open = this.#open.get(message.id);
    if (message.type === 'turn') this.#atWork = message.id;
    else if (message.type === 'event') open?.tell(message.event);
    else if (message.type === 'done') open?.resolve(message.answer);
    else open?.reject(errorOf(message.error));
  }

  #bury(child: ChildProcess, how: string): void {
    if (this.#child === child) this.#child = null;
    const guilty = this.#killed.has(child) ? null : this.#atWork;
    const isKnown = this.#killed.has(child) || (guilty !== null && this.#open.has(guilty));
    for (const [id, open] of this.#open)
      if (open.child === child) open.reject(isKnown && id !== guilty ? restarted() : died(how));
    this.#atWork = null;
  }
}

/** A message to a process that has just crashed is lost; its exit event follows. */
function send(child: ChildProcess, message: ToEngine): void {
  if (child.connected) child.send(message, () => {});
}

/** For a request that only was there when the process stopped. */
function restarted(): KronaError {
  return new KronaError(
    'ENGINE_RESTARTED',
    'The engine process stopped because of another request. This one starts again.',
    { retryable: true },
  );
}

/** Whether the engine died of this request, or nobody knows of which. */
export const isDied = (error: unknown): boolean =>
  error instanceof KronaError && error.code === 'ENGINE_DIED';

function died(how: string): KronaError {
  return new KronaError(
    'ENGINE_DIED',
    `The engine process stopped unexpectedly (${how}). If that happens again, this machine may have too little memory for the model.`,
    { retryable: true },
  );
}
