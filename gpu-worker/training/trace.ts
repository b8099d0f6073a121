/**
 * @file Records a run so that another implementation can reproduce it: the inputs of every micro-batch, the losses, and
 * the factors after every optimiser step (test/fixtures/check-trace.py reproduces it with torch and diffusers).
 *
 * Of micro-batch n, R rows (photos, then the same number of class pictures, if any): `latents.n` [R,C,h,w], scaled and
 * before noise, `noise.n` with any offset in it, `timesteps.n` int64 [R], `encoder_hidden_states.n` [R,S,D], for SDXL
 * `text_embeds.n` [R,P] and `time_ids.n` [R,6], `loss.n`. With a mask, min-SNR or class pictures `weights.n` [R,1,h,w]:
 * the loss is the mean over all positions of weight times squared error. With noise-dependent strength `strengths.n`
 * [R]: the adapter's factor in each row, besides `scale`. With a prior on ΔW `prior.n`: its term of the loss, which
 * `loss.n` lacks and the gradient has. A refinement's rows are P winners, P losers, then photos; `weights.n` is of the photos
 * alone, and there are `reference.n` [P] (e_w − e_l of the initial factors), `pair_weights.n` [P], `margins.n` [P] and
 * `photo_loss.n`. h and w can change between micro-batches. The learning rate
 * is one number per optimiser step, whatever its schedule.
 */
import type { Method } from '../../core/settings/choices.ts';
import { adapterLayout, type AdapterShapes } from '../adapters/adapter.ts';
import { writeSafetensors, type TensorToWrite } from '../models/safetensors.ts';
import type { ADAMW_DEFAULTS } from './adamw.ts';
import type { RefineOptions } from './refine-options.ts';

export interface TraceSettings {
  readonly method: Method;
  /** Strength times any alpha/rank: the factor on A⊗B, up·down or the difference. */
  readonly scale: number;
  /** λ of the prior on ΔW; 0: none. */
  readonly priorL2: number;
  readonly accumulation: number;
  /** Of a refinement; null for other trainings. */
  readonly refine: Pick<RefineOptions, 'preference' | 'beta' | 'photoWeight'> | null;
  /** One per optimiser step. */
  readonly lr: readonly number[];
  readonly optimizer: Pick<typeof ADAMW_DEFAULTS, 'beta1' | 'beta2' | 'eps' | 'weightDecay' | 'maxGradNorm'>;
  readonly predictionType: string;
}

export class Trace {
  readonly #tensors = new Map<string, TensorToWrite>();
  readonly #shapes: AdapterShapes;

  constructor(shapes: AdapterShapes) {
    this.#shapes = shapes;
  }

  /** Micro-batch n: tensors by name with their shapes; int64 for BigInt64Array. */
  batch(
    n: number,
    tensors: Readonly<
      Record<string, { readonly shape: readonly number[]; readonly data: Float32Array | BigInt64Array }>
    >,
  ): void {
    for (const [name, { shape, data }] of Object.entries(tensors)) {
      this.#tensors.set(`${name}.${n}`, {
        dtype: data instanceof Float32Array ? 'F32' : 'I64',
        shape,
        data: data.slice(),
      });
    }
  }

  /** The factors after optimiser step m; m = 0 for the initial ones. */
  factors(m: number, flat: Float32Array): void {
    const layout = adapterLayout(this.#shapes);
    for (const { name, shape, offset, size } of layout.entries) {
      const data = flat.slice(offset, offset + size);
      this.#tensors.set(`factors.${m}.${name}`, { dtype: 'F32', shape, data });
    }
  }

  async write(path: string, settings: TraceSettings): Promise<void> {
    const { beta1, beta2, eps, weightDecay, maxGradNorm } = settings.optimizer;
    const facts = {
      method: settings.method,
      scale: settings.scale,
      ...(settings.priorL2 > 0 && { prior_l2: settings.priorL2 }),
      accumulation: settings.accumulation,
      ...(settings.refine && {
        preference: settings.refine.preference,
        beta: settings.refine.beta,
        photo_weight: settings.refine.photoWeight,
      }),
      lr: settings.lr,
      betas: [beta1, beta2],
      eps,
      weight_decay: weightDecay,
      max_grad_norm: maxGradNorm,
      prediction_type: settings.predictionType,
    };
    await writeSafetensors(
      path,
      this.#tensors,
      new Map(Object.entries(facts).map(([key, value]) => [key, JSON.stringify(value)])),
    );
  }
}
