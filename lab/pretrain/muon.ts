/**
 * @file Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon): the momentum of each matrix is made orthogonal
 * before it is applied, so that all its directions are learned equally fast; sized as Liu et al. 2025 (arXiv 2502.16982, section
 * 2.2) do, so that AdamW's learning rates hold. Vectors are left to AdamW.
 */
import { compile } from '../../gpu-worker/graph/compile.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { Session } from '../../gpu-worker/graph/runtime.ts';
import { sizeOf, type Tensor } from '../../gpu-worker/graph/tensor.ts';
import { FlatLayout } from '../../gpu-worker/models/parameters.ts';
import type { AdamWSettings, OptimizerState } from '../../gpu-worker/training/adamw.ts';

const MOMENTUM = 0.95;
/** The root mean square of an update, as AdamW's have it. */
const UPDATE_SIZE = 0.2;
const ITERATIONS = 5;
/** Of the quintic polynomial that takes all singular values to about 1. */
const [A, B, C] = [3.4445, -4.775, 2.0315];

/** Moves an OptimizerState as AdamW does; `m` holds the momentum of matrices too, `v` is of vectors only. */
export class Muon {
  readonly #settings: AdamWSettings;
  readonly #session: Session;
  #state: OptimizerState;
  #spare: Record<string, Float32Array>;

  private constructor(settings: AdamWSettings, session: Session, state: OptimizerState) {
    this.#settings = settings;
    this.#session = session;
    this.#state = state;
    this.#spare = Object.fromEntries(
      Object.entries(vectorsOf(state)).map(([name, array]) => [
        `next.${name}`,
        new Float32Array(array.length),
      ]),
    );
  }

  /** @param layout of the parameters: those of two axes or more are matrices, convolutions as [out, in·h·w] */
  static async create(
    settings: AdamWSettings,
    layout: FlatLayout,
    state: OptimizerState,
    threads?: number,
  ): Promise<Muon> {
    const program = compile(updateGraph(settings, layout));
    const session = await Session.create(program, {
      ...(threads === undefined ? {} : { threads }),
      device: 'cpu',
    });
    return new Muon(settings, session, state);
  }

  get state(): OptimizerState {
    return this.#state;
  }

  /** One step down `gradient`. Returns the gradient's norm before clipping. */
  async step(gradient: Float32Array, learningRate: number): Promise<number> {
    const t = this.#state.step + 1;
    const { beta1, beta2, averageDecay } = this.#settings;
    const number = (x: number): Float32Array => new Float32Array([x]);
    const current = vectorsOf(this.#state);
    const { norm, ...next } = (await this.#session.run(
      {
        ...current,
        gradient,
        learningRate: number(learningRate),
        correction1: number(1 - beta1 ** t),
        correction2: number(1 - beta2 ** t),
        ...(averageDecay === null ? {} : { keep: number(Math.min(averageDecay, (1 + t) / (10 + t))) }),
      },
      this.#spare,
    )) as Record<string, Float32Array>;
    this.#spare = Object.fromEntries(Object.entries(current).map(([name, array]) => [`next.${name}`, array]));
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

function vectorsOf({ parameters, m, v, average }: OptimizerState): Record<string, Float32Array> {
  return { parameters, m, v, ...(average ? { average } : {}) };
}

function updateGraph(settings: AdamWSettings, layout: FlatLayout): Record<string, Tensor> {
  const { beta1, beta2, eps, weightDecay, maxGradNorm, averageDecay } = settings;
  const vector = (name: string): Tensor => op.input(name, [layout.length]);
  const number = (name: string): Tensor => op.input(name, []);
  const [learningRate, correction1, correction2] = ['learningRate', 'correction1', 'correction2'].map(
    number,
  ) as [Tensor, Tensor, Tensor];
  const raw = vector('gradient');
  const norm = op.sqrt(op.sumOfSquares(raw));
  const g = maxGradNorm === null ? raw : op.mul(raw, op.min(1, op.div(maxGradNorm, op.add(norm, 1e-6))));
  const [gradients, means, squares] = [g, vector('m'), vector('v')].map((flat) => layout.split(flat));

  const updates: Tensor[] = [];
  const nextMeans: Tensor[] = [];
  const nextSquares: Tensor[] = [];
  for (const { name, shape } of layout.entries) {
    const [gradient, mean, square] = [gradients, means, squares].map((parts) => parts!.get(name)!) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    if (!isMatrix(name, shape)) {
      const m = op.add(op.mul(mean, beta1), op.mul(gradient, 1 - beta1));
      const v = op.add(op.mul(square, beta2), op.mul(op.square(gradient), 1 - beta2));
      const denominator = op.add(op.div(op.sqrt(v), op.sqrt(correction2)), eps);
      updates.push(op.div(op.div(m, correction1), denominator));
      nextMeans.push(m);
      nextSquares.push(v);
    } else {
      const m = op.add(op.mul(mean, MOMENTUM), gradient);
      // Nesterov's: where the momentum will be after the next such gradient.
      updates.push(op.reshape(orthogonal(op.add(gradient, op.mul(m, MOMENTUM))), shape));
      nextMeans.push(m);
      nextSquares.push(square);
    }
  }
  const decayed = op.mul(vector('parameters'), op.sub(1, op.mul(learningRate, weightDecay)));
  const next = op.sub(decayed, op.mul(learningRate, layout.join(updates)));
  const outputs: Record<string, Tensor> = {
    norm,
    'next.parameters': next,
    'next.m': layout.join(nextMeans),
    'next.v': layout.join(nextSquares),
  };
  if (averageDecay !== null)
    outputs['next.average'] = op.add(next, op.mul(number('keep'), op.sub(vector('average'), next)));
  return outputs;
}

/** Rows of an embedding are looked up one by one: few have a gradient, and no direction is shared. */
const isMatrix = (name: string, shape: readonly number[]): boolean =>
  shape.length >= 2 && !/_embedding\.weight$/.test(name);

/** The matrix x [out,...] with its singular values made alike, by Newton-Schulz steps; its root mean square is UPDATE_SIZE. */
export function orthogonal(x: Tensor): Tensor {
  const rows = x.shape[0]!;
  const columns = sizeOf(x.shape) / rows;
  const flat = op.reshape(x, [rows, columns]);
  // The smaller side's products are the cheaper ones.
  let y = rows > columns ? op.swap(flat) : flat;
  y = op.div(y, op.add(op.sqrt(op.reshape(op.sum(op.square(y)), [1, 1])), 1e-7));
  for (let i = 0; i < ITERATIONS; i++) {
    const square = op.matmul(y, op.swap(y));
    const polynomial = op.add(op.mul(square, B), op.mul(op.matmul(square, square), C));
    y = op.add(op.mul(y, A), op.matmul(polynomial, y));
  }
  const sized = op.mul(y, UPDATE_SIZE * Math.sqrt(Math.max(rows, columns)));
  return rows > columns ? op.swap(sized) : sized;
}
