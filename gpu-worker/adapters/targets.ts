/** @file The modules that adapters can change, and those that training changes. */
import type { ProjectionShape } from '../../core/settings/model-card.ts';
import type { Target } from '../../core/settings/choices.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { attentionProjections } from './attention-projections.ts';

/** Kinds of projections that can have their own factors. */
export const PROJECTION_KINDS = ['q', 'k', 'v', 'o', 'ff'] as const;
export type ProjectionKind = (typeof PROJECTION_KINDS)[number];

/** `q` of `…attn1.to_q` and of `…self_attn.q_proj`, and so on. */
export function projectionKind(path: string): ProjectionKind {
  const [, letter] = /\.(?:to_)?(q|k|v|o)(?:ut)?(?:_proj|\.0)?$/.exec(path) ?? [];
  return PROJECTION_KINDS.find((kind) => kind === letter) ?? 'ff';
}

/** The modules of a model that belong to the targets, in the order of its forward pass. */
export function targetProjections(
  model: Pick<ModelFolder, 'unet' | 'textEncoders'>,
  targets: readonly Target[],
): ProjectionShape[] {
  const attention = attentionProjections(model.unet.config);
  const projections: ProjectionShape[] = [];
  for (const projection of attention) {
    const { path, out: width } = projection;
    if (targets.includes('attention')) projections.push(projection);
    const [, block] = /^(.*)\.attn2\.to_out\.0$/.exec(path) ?? [];
    if (block !== undefined && targets.includes('feed-forward')) {
      // GEGLU: four times as wide, and a gate for each.
      projections.push({ path: `${block}.ff.net.0.proj`, out: width * 8, in: width });
      projections.push({ path: `${block}.ff.net.2`, out: width, in: width * 4 });
    }
  }
  if (!targets.includes('text-encoders')) return projections;
  for (const { name, config } of model.textEncoders) {
    const { hidden_size: width, num_hidden_layers: layers } = config;
    // SDXL takes states and its second encoder's pooled text from different layers, so all of them count.
    for (let layer = 0; layer < layers; layer++)
      for (const projection of ['q_proj', 'k_proj', 'v_proj', 'out_proj'])
        projections.push({
          path: `${name}.text_model.encoder.layers.${layer}.self_attn.${projection}`,
          out: width,
          in: width,
        });
  }
  return projections;
}

/** A module whose weight [out, in], or [out, in, kh, kw], files can change. */
export interface ModuleShape extends ProjectionShape {
  readonly kernel?: readonly [kh: number, kw: number];
}

/** Every matrix and convolution of the UNet and the text encoders, by path. */
export function adaptableModules(model: Pick<ModelFolder, 'unet' | 'textEncoders'>): ModuleShape[] {
  return [model.unet, ...model.textEncoders].flatMap((part) => {
    const prefix = part === model.unet ? '' : `${part.name}.`;
    return [...part.tensors].flatMap(([name, { shape }]): ModuleShape[] => {
      if (!name.endsWith('.weight') || /\.(?:token|position)_embedding\.weight$/.test(name)) return [];
      const path = prefix + name.replace(/\.weight$/, '');
      const [out, inputs, kh, kw] = shape;
      if (out === undefined || inputs === undefined) return [];
      if (shape.length === 2) return [{ path, out, in: inputs }];
      return kh !== undefined && kw !== undefined ? [{ path, out, in: inputs, kernel: [kh, kw] }] : [];
    });
  });
}
