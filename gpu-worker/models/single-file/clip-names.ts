/**
 * @file Names of a text encoder's parameters in original checkpoints: transformers' own names for CLIP-L, and
 * OpenCLIP's (open_clip/transformer.py), where q, k and v are rows of one matrix and the projection is stored as the
 * factor on the right, which is the transpose of a linear layer's weight. diffusers'
 * convert_diffusers_to_original_sdxl.py keeps the projection as a linear layer.
 */

export interface ClipPlace {
  readonly name: string;
  /** Its third of the tensor's rows: q, k or v. */
  readonly third?: 0 | 1 | 2;
  readonly transposed?: boolean;
}

const WHOLE: Readonly<Record<string, string>> = {
  'text_model.embeddings.token_embedding.weight': 'token_embedding.weight',
  'text_model.embeddings.position_embedding.weight': 'positional_embedding',
  'text_model.final_layer_norm.weight': 'ln_final.weight',
  'text_model.final_layer_norm.bias': 'ln_final.bias',
};

const LAYER: Readonly<Record<string, string>> = {
  layer_norm1: 'ln_1',
  layer_norm2: 'ln_2',
  'mlp.fc1': 'mlp.c_fc',
  'mlp.fc2': 'mlp.c_proj',
  'self_attn.out_proj': 'attn.out_proj',
};

/** Each projection's third of the fused matrix. */
const THIRDS: Readonly<Record<string, 0 | 1 | 2>> = {
  'self_attn.q_proj': 0,
  'self_attn.k_proj': 1,
  'self_attn.v_proj': 2,
};

/** The projection's two names: OpenCLIP's parameter, and a linear layer's weight. */
export const PROJECTIONS = ['text_projection', 'text_projection.weight'] as const;

/**
 * @param name as transformers has it
 * @param linearProjection whether the file stores the projection as a linear layer
 * @example openClipPlace('text_model.encoder.layers.3.self_attn.k_proj.bias')
 *   // { name: 'transformer.resblocks.3.attn.in_proj_bias', third: 1 }
 */
export function openClipPlace(name: string, linearProjection = false): ClipPlace {
  if (name === 'text_projection.weight')
    return linearProjection ? { name } : { name: PROJECTIONS[0], transposed: true };
  const whole = WHOLE[name];
  if (whole !== undefined) return { name: whole };
  const [, layer = '', inner = '', kind = ''] = /\.layers\.(\d+)\.(.+)\.(\w+)$/.exec(name) ?? [];
  const block = `transformer.resblocks.${layer}`;
  const third = THIRDS[inner];
  return third === undefined
    ? { name: `${block}.${LAYER[inner]}.${kind}` }
    : { name: `${block}.attn.in_proj_${kind}`, third };
}
