/**
 * @file AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101), as torch.optim.AdamW computes it, over one flat vector of
 * parameters, with clipping by the global norm and, optionally, an exponential average of the parameters.
 */
import { compileFunction, type Program } from '../graph/compile.ts';
import * as op from '../graph/ops.ts';
import { numberOf, Session } from '../graph/runtime.ts';

export interface AdamWSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  /** The gradient is scaled down to this L2 norm if it is longer; null: never. */
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

/** The state from which a run resumes exactly. Every array has the length of the parameters. */
export interface OptimizerState {
  /** Steps taken. */
  step: number;
  parameters: Float32Array;
  /** First moments. */
  m: Float32Array;
  /** Second moments. */
  v: Float32Array;
  /** The averaged parameters, if the settings ask for them. */
  average: Float32Array | null;
}

export function initialState(parameters: Float32Array, settings: AdamWSettings): OptimizerState {
  const { length } = parameters;
  const average = settings.averageDecay === null ? null : parameters.slice();
  return { step: 0, parameters, m: new Float32Array(length), v: new Float32Array(length), average };
}

/** Holds and updates the state. Each array has a spare, so that a failed run leaves the last complete state. */
export class AdamW {
  readonly #settings: AdamWSettings;
  readonly #session: UpdateSession;
  #state: OptimizerState;
  #spare: Omit<OptimizerState, 'step'>;

  private constructor(settings: AdamWSettings, session: UpdateSession, state: OptimizerState) {
    const { length } = state.parameters;
    this.#settings = settings;
    this.#session = session;
    this.#state = state;
    this.#spare = {
      parameters: new Float32Array(length),
      m: new Float32Array(length),
      v: new Float32Array(length),
      average: state.average && new Float32Array(length),
    };
  }

  /**
   * Compiles the update. It computes in fp32 on the CPU, where its state lies: a GPU would need all of it sent every
   * step.
   *
   * @param threads of one operator; the session's default unless given
   */
  static async create(settings: AdamWSettings, state: OptimizerState, threads?: number): Promise<AdamW> {
    const session = await Session.create(updateProgram(settings, state.parameters.length), {
      ...(threads === undefined ? {} : { threads }),
      device: 'cpu',
    });
    return new AdamW(settings, session, state);
  }

  get state(): OptimizerState {
    return this.#state;
  }

  /** Takes one step down `gradient`. Returns the gradient's norm before clipping. */
  async step(gradient: Float32Array, learningRate: number): Promise<number> {
    const { step, parameters, m, v, average } = this.#state;
    const t = step + 1;
    const { beta1, beta2, averageDecay } = this.#settings;
    const number = (x: number): Float32Array => new Float32Array([x]);
    const spare = this.#spare;
    const next = await this.#session.run(
      {
        parameters,
        m,
        v,
        gradient,
        learningRate: number(learningRate),
        correction1: number(1 - beta1 ** t),
        correction2: number(1 - beta2 ** t),
        ...(average &&
          averageDecay !== null && { average, keep: number(Math.min(averageDecay, (1 + t) / (10 + t))) }),
      },
      {
        nextParameters: spare.parameters,
        nextM: spare.m,
        nextV: spare.v,
        ...(spare.average && { nextAverage: spare.average }),
      },
    );
    this.#spare = { parameters, m, v, average };
    this.#state = {
      step: t,
      parameters: next.nextParameters,
      m: next.nextM,
      v: next.nextV,
      average: next.nextAverage ?? null,
    };
    return numberOf(next.norm);
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}

type UpdateProgram = ReturnType<typeof updateProgram>;
type UpdateSession = UpdateProgram extends Program<infer Out, infer In> ? Session<Out, In> : never;

/** Input: the state's vectors, `gradient` and the step's numbers; output: the next vectors and the gradient's norm. */
function updateProgram(settings: AdamWSettings, length: number) {
  const { beta1, beta2, eps, weightDecay, maxGradNorm, averageDecay } = settings;
  const vector = [length];
  const vectors = { parameters: vector, m: vector, v: vector, gradient: vector };
  const numbers = { learningRate: [], correction1: [], correction2: [] };
  const averaging = averageDecay === null ? {} : { average: vector, keep: [] };
  return compileFunction({ ...vectors, ...numbers, ...averaging }, (inputs) => {
    const { parameters, gradient, learningRate, correction1, correction2, average, keep } = inputs;
    const norm = op.sqrt(op.sumOfSquares(gradient));
    // torch's clip_grad_norm_ divides by norm + 1e-6.
    const g =
      maxGradNorm === null ? gradient : op.mul(gradient, op.min(1, op.div(maxGradNorm, op.add(norm, 1e-6))));

    const nextM = op.add(op.mul(inputs.m, beta1), op.mul(g, 1 - beta1));
    const nextV = op.add(op.mul(inputs.v, beta2), op.mul(op.square(g), 1 - beta2));
    const denominator = op.add(op.div(op.sqrt(nextV), op.sqrt(correction2)), eps);
    const decayed = op.mul(parameters, op.sub(1, op.mul(learningRate, weightDecay)));
    const change = op.mul(op.div(learningRate, correction1), op.div(nextM, denominator));
    const nextParameters = op.sub(decayed, change);
    const next = { norm, nextParameters, nextM, nextV };
    return {
      ...next,
      ...(average &&
        keep && { nextAverage: op.add(nextParameters, op.mul(keep, op.sub(average, nextParameters))) }),
    };
  });
}
