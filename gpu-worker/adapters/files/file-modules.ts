/**
 * @file An adapter file's tensors, sorted by the module that they change and the part that they are, by the names of all
 * programs: kohya and LyCORIS (`lora_down.weight`, `lokr_w1`, `diff`), PEFT (`lora_A.weight`), diffusers old and new
 * (`processor.to_q_lora.down.weight`, `lora_linear_layer.down.weight`). Only the header is read.
 */
import { KronaError } from '../../../core/errors.ts';
import type { SafetensorsFile, StoredTensor } from '../../models/safetensors.ts';
import { invalid, type FileModule, type Form } from '../forms/form.ts';
import { FORMS } from '../forms/forms.ts';

/** Tensors of one module that belong to one form, with its alpha. */
export interface FormModule extends FileModule {
  readonly form: Form;
}

/** Parts of any form. */
const COMMON: readonly (readonly [RegExp, string])[] = [
  [/\.(?:dora_scale|lora_magnitude_vector(?:\.\w+)*)$/, 'dora_scale'],
  [/\.alpha$/, 'alpha'],
];

/** Methods that are known by name and not read. */
const OTHERS: readonly (readonly [RegExp, string])[] = [
  [/\.hada_[wt]/, 'LoHa'],
  [/\.(?:oft_|boft)/, 'OFT'],
  [/\.(?:a1|a2|b1|b2|bm)\.weight$/, 'GLoRA'],
  [/\.(?:ia3_l|on_input)/, 'IA³'],
  [/\.set_weight$/, 'replaced weights'],
  [/\.lora_embedding_[AB]$/, 'embeddings'],
];

/** Whether a file holds anything that is read here. */
export function isAdapter(file: SafetensorsFile): boolean {
  return [...file.tensors.keys()].some((key) => !key.endsWith('.alpha') && partOf(key) !== null);
}

/**
 * Modules of a file in the order of their first tensors.
 *
 * @throws KronaError ADAPTER_INVALID (a tensor that belongs to no adapter, or forms that don't go together),
 * ADAPTER_METHOD_UNSUPPORTED, ADAPTER_TARGETS_UNSUPPORTED (DoRA)
 */
export function modulesOf(file: SafetensorsFile): FormModule[] {
  const modules = new Map<string, { forms: Set<Form>; parts: Map<string, StoredTensor> }>();
  for (const [key, tensor] of file.tensors) {
    // A part that LyCORIS names and never fills.
    if (key.endsWith('.lokr_t1')) continue;
    const { name, part, form } = partOf(key) ?? unknownTensor(file, key);
    const module = modules.get(name) ?? { forms: new Set(), parts: new Map() };
    modules.set(name, module);
    if (module.parts.has(part)) throw invalid(file, `has the ${part} of ${name} twice`);
    module.parts.set(part, tensor);
    if (form) module.forms.add(form);
  }
  return [...modules].map(([name, { forms, parts }]) => {
    if (parts.has('dora_scale'))
      throw new KronaError(
        'ADAPTER_TARGETS_UNSUPPORTED',
        `${file.name}: ${name} uses DoRA, which scales the model's own weights; only plain LoKr and LoRA are supported.`,
      );
    const [form] = forms;
    if (form === undefined) throw invalid(file, `has an alpha for ${name} and nothing else`);
    if (forms.size > 1)
      throw invalid(
        file,
        `mixes ${[...parts.keys()].filter((part) => part !== 'alpha').join(', ')} in ${name}`,
      );
    return { file, name, parts, form };
  });
}

interface Part {
  readonly name: string;
  readonly part: string;
  /** null: of any form. */
  readonly form: Form | null;
}

/** The module and part that a tensor's name means; null if it is no part of an adapter. */
function partOf(key: string): Part | null {
  for (const form of [...FORMS, null])
    for (const [suffix, part] of form?.suffixes ?? COMMON) {
      const match = suffix.exec(key);
      if (match) return { name: key.slice(0, match.index), part: part ?? match[1] ?? '', form };
    }
  return null;
}

function unknownTensor(file: SafetensorsFile, key: string): never {
  const [, other] = OTHERS.find(([pattern]) => pattern.test(key)) ?? [];
  if (other !== undefined)
    throw new KronaError(
      'ADAPTER_METHOD_UNSUPPORTED',
      `${file.name} holds ${other} (${key}); supported: LoKr, LoRA, DiffuseKronA and differences.`,
    );
  throw invalid(file, `has a tensor ${key}, which is not part of an adapter`);
}
