/**
 * @file AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101), as torch.optim.AdamW computes it, over one flat vector of
 * parameters, with clipping by the global norm and, if wanted, an exponentially averaged copy of the parameters.
 */
import { compile } from '../graph/compile.ts';
import * as op from '../graph/ops.ts';
import { Session } from '../graph/runtime.ts';
import type { Tensor } from '../graph/tensor.ts';

export interface AdamWSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  /** The gradient is scaled down to this L2 norm when it is longer; null: never. */
  readonly maxGradNorm: number | null;
  /** Keep average ← d·average + (1-d)·parameters with this final d, warmed up as min(d, (1+t)/(10+t)); null: no average. */
  readonly averageDecay: number | null;
}

export const ADAMW_DEFAULTS: AdamWSettings = {
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay: 1e-2,
  maxGradNorm: 1,
  averageDecay: null,
};

/** All that a run needs to go on exactly: every array has the length of the parameters. */
export interface OptimizerState {
  /** Steps taken. */
  step: number;
  parameters: Float32Array;
  /** First moments. */
  m: Float32Array;
  /** Second moments. */
  v: Float32Array;
  /** The averaged parameters, where the settings ask for them. */
  average: Float32Array | null;
}

export function initialState(parameters: Float32Array, settings: AdamWSettings): OptimizerState {
  const { length } = parameters;
  const average = settings.averageDecay === null ? null : parameters.slice();
  return { step: 0, parameters, m: new Float32Array(length), v: new Float32Array(length), average };
}

/** Holds the state and moves it. Each array has a spare, so that a failed run leaves the last whole state. */
export class AdamW {
  readonly #settings: AdamWSettings;
  readonly #session: Session;
  #state: OptimizerState;
  #spare: Record<string, Float32Array>;

  private constructor(settings: AdamWSettings, session: Session, state: OptimizerState) {
    this.#settings = settings;
    this.#session = session;
    this.#state = state;
    this.#spare = Object.fromEntries(
      vectorsOf(state).map(([name, array]) => [name, new Float32Array(array.length)]),
    );
  }

  static async create(settings: AdamWSettings, state: OptimizerState, threads?: number): Promise<AdamW> {
    return new AdamW(
      settings,
      await Session.create(compile(updateGraph(settings, state.parameters.length)), {
        ...(threads === undefined ? {} : { threads }),
        // In fp32, and where its state lies: a GPU would be sent all of it at every step.
        device: 'cpu',
      }),
      state,
    );
  }

  get state(): OptimizerState {
    return this.#state;
  }

  /** One step down `gradient`. Returns the gradient's norm before clipping. */
  async step(gradient: Float32Array, learningRate: number): Promise<number> {
    const t = this.#state.step + 1;
    const { beta1, beta2, averageDecay } = this.#settings;
    const number = (x: number): Float32Array => new Float32Array([x]);
    const current = Object.fromEntries(vectorsOf(this.#state));
    const { norm, ...next } = (await this.#session.run(
      {
        ...current,
        gradient,
        learningRate: number(learningRate),
        correction1: number(1 - beta1 ** t),
        correction2: number(1 - beta2 ** t),
        ...(averageDecay === null ? {} : { keep: number(Math.min(averageDecay, (1 + t) / (10 + t))) }),
      },
      Object.fromEntries(Object.entries(this.#spare).map(([name, array]) => [`next.${name}`, array])),
    )) as Record<string, Float32Array>;
    this.#spare = current;
    this.#state = {
      step: t,
      parameters: next['next.parameters']!,
      m: next['next.m']!,
      v: next['next.v']!,
      average: next['next.average'] ?? null,
    };
    return norm![0]!;
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}

function vectorsOf(state: OptimizerState): [string, Float32Array][] {
  const { parameters, m, v, average } = state;
  return [
    ['parameters', parameters],
    ['m', m],
    ['v', v],
    ...(average ? [['average', average] as [string, Float32Array]] : []),
  ];
}

function updateGraph(settings: AdamWSettings, length: number): Record<string, Tensor> {
  const { beta1, beta2, eps, weightDecay, maxGradNorm, averageDecay } = settings;
  const vector = (name: string): Tensor => op.input(name, [length]);
  const number = (name: string): Tensor => op.input(name, []);
  const [parameters, raw, learningRate] = [vector('parameters'), vector('gradient'), number('learningRate')];

  const norm = op.sqrt(op.reshape(op.sum(op.square(raw)), []));
  // torch's clip_grad_norm_ divides by norm + 1e-6.
  const g = maxGradNorm === null ? raw : op.mul(raw, op.min(1, op.div(maxGradNorm, op.add(norm, 1e-6))));

  const m = op.add(op.mul(vector('m'), beta1), op.mul(g, 1 - beta1));
  const v = op.add(op.mul(vector('v'), beta2), op.mul(op.square(g), 1 - beta2));
  const denominator = op.add(op.div(op.sqrt(v), op.sqrt(number('correction2'))), eps);
  const decayed = op.mul(parameters, op.sub(1, op.mul(learningRate, weightDecay)));
  const next = op.sub(decayed, op.mul(op.div(learningRate, number('correction1')), op.div(m, denominator)));

  const outputs: Record<string, Tensor> = { norm, 'next.parameters': next, 'next.m': m, 'next.v': v };
  if (averageDecay !== null) {
    const average = vector('average');
    outputs['next.average'] = op.add(next, op.mul(number('keep'), op.sub(average, next)));
  }
  return outputs;
}
