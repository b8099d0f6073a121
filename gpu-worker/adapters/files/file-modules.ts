/**
 * @file An adapter file's tensors, sorted by the module that they change and the part that they are, by the names of all
 * programs: kohya and LyCORIS (`lora_down.weight`, `lokr_w1`, `diff`), PEFT (`lora_A.weight`), diffusers old and new
 * (`processor.to_q_lora.down.weight`, `lora_linear_layer.down.weight`). Only the header is read.
 */
import { KronaError } from '../../../core/errors.ts';
import type { SafetensorsFile, StoredTensor } from '../../models/safetensors.ts';
import { difference } from '../forms/difference.ts';
import { invalid, type FileForm, type FileModule } from '../forms/form.ts';
import { FILE_FORMS } from '../forms/forms.ts';
import { ia3 } from '../forms/relative.ts';

/** Tensors of one module that belong to one form, with its alpha. */
export interface FormModule extends FileModule {
  readonly form: FileForm;
}

/** An adapter file's tensors in order. */
export interface FileContents {
  /** In the order of their first tensors. */
  readonly modules: readonly FormModule[];
  /** Sentences for people about tensors that are left out. */
  readonly notes: readonly string[];
}

/** Parts of any form. */
const COMMON: readonly (readonly [RegExp, string])[] = [
  [/\.(?:dora_scale|lora_magnitude_vector(?:\.\w+)*)$/, 'dora_scale'],
  [/\.alpha$/, 'alpha'],
];

/** Methods that are known by name and not read. */
const OTHERS: readonly (readonly [RegExp, string])[] = [
  [/\.(?:oft_|boft_)/, "PEFT's OFT or BOFT"],
  [/\.set_weight$/, 'replaced weights'],
  [/\.lora_embedding_[AB]/, 'embeddings'],
  [/\.lora_E(?:\.|$)|\.ranknum$/, 'AdaLoRA'],
  [/\.vera_|^vera_/, 'VeRA'],
  [/\.(?:lambda_layer|[pq]_layer\.weight)$/, 'T-LoRA'],
  [/\.lora_diag(?:\.|$)/, 'KaSA'],
  [
    /\.(?:hra_u|fourierft_spectrum|vblora_|miss_|bone_|road_|randlora_|c3a_)/,
    'a method of PEFT other than LoRA, LoKr, LoHa and IA³',
  ],
];

/** Textual inversion that trainers pack into the file: `bundle_emb.TOKEN.clip_l`. */
const BUNDLED = /^bundle_emb\.([^.]+)\./;
/** A part that LyCORIS names and never fills. */
const UNUSED = /\.lokr_t1$/;

/**
 * Sorts the tensors of a file. What belongs to no module is left out with a note, as in the reference tools.
 *
 * @throws KronaError ADAPTER_FORMAT_UNSUPPORTED (it holds no adapter), ADAPTER_INVALID (forms that don't go together),
 * ADAPTER_METHOD_UNSUPPORTED, ADAPTER_TARGETS_UNSUPPORTED (DoRA)
 */
export function sortTensors(file: SafetensorsFile): FileContents {
  const modules = new Map<string, Map<FileForm | null, Map<string, StoredTensor>>>();
  const strays: string[] = [];
  for (const [key, tensor] of file.tensors) {
    if (UNUSED.test(key)) continue;
    const found = partOf(file, key);
    if (found === null) {
      refuseOther(file, key);
      strays.push(key);
      continue;
    }
    const { name, part, form } = found;
    if (tensor.shape.includes(0))
      throw invalid(file, `gives ${key} the shape [${tensor.shape.join(', ')}], which holds nothing`);
    const forms = modules.get(name) ?? new Map<FileForm | null, Map<string, StoredTensor>>();
    modules.set(name, forms);
    const parts = forms.get(form) ?? new Map<string, StoredTensor>();
    forms.set(form, parts);
    if (parts.has(part)) throw invalid(file, `has the ${part} of ${name} twice`);
    parts.set(part, tensor);
  }
  const sorted = [...modules].flatMap(([name, forms]) => formsOf(file, name, forms));
  if (sorted.length === 0) throw noAdapter(file);
  strays.push(
    ...[...modules].flatMap(([name, forms]) =>
      forms.size === 1 && forms.has(null) ? [`${name}.alpha`] : [],
    ),
  );
  return { modules: sorted, notes: notesOf(file, strays) };
}

/** The forms that a module's tensors belong to; none if it has an alpha and nothing else. */
function formsOf(
  file: SafetensorsFile,
  name: string,
  forms: ReadonlyMap<FileForm | null, ReadonlyMap<string, StoredTensor>>,
): FormModule[] {
  const common = forms.get(null) ?? new Map<string, StoredTensor>();
  if (common.has('dora_scale'))
    throw new KronaError(
      'ADAPTER_TARGETS_UNSUPPORTED',
      `${file.name}: ${name} uses DoRA, which scales the model's own weights by a norm; only plain LoKr, LoRA and LoHa are ` +
        'supported.',
    );
  const own = [...forms].flatMap(([form, parts]) => (form === null ? [] : [{ form, parts }]));
  // ComfyUI's extracted LoRAs change a bias beside the factors of the weight.
  const weights = own.filter(
    ({ form, parts }) => form !== difference || parts.has('diff') || parts.has('w_norm'),
  );
  if (weights.length > 1) {
    const parts = own.flatMap((each) => [...each.parts.keys()]);
    throw invalid(file, `mixes ${parts.join(', ')} in ${name}`);
  }
  return own.map(({ form, parts }) => ({ file, name, form, parts: new Map([...parts, ...common]) }));
}

function notesOf(file: SafetensorsFile, strays: readonly string[]): string[] {
  const bundled = new Set(strays.flatMap((key) => BUNDLED.exec(key)?.[1] ?? []));
  const unknown = strays.filter((key) => !BUNDLED.test(key));
  const listed = (all: readonly string[]) => all.slice(0, 4).join(', ') + (all.length > 4 ? ', …' : '');
  const notes: string[] = [];
  if (bundled.size > 0)
    notes.push(
      `${file.name} also holds embeddings of its own tokens (${listed([...bundled])}), which Krona leaves out: prompts with ` +
        'these tokens can look different.',
    );
  if (unknown.length > 0)
    notes.push(
      `${file.name} holds ${unknown.length === 1 ? 'a tensor that belongs' : `${unknown.length} tensors that belong`} to no ` +
        `module, left out: ${listed(unknown)}.`,
    );
  return notes;
}

interface Part {
  readonly name: string;
  readonly part: string;
  /** null: of any form. */
  readonly form: FileForm | null;
}

/** The module and part that a tensor's name means; null if it is no part of an adapter. */
function partOf(file: SafetensorsFile, key: string): Part | null {
  for (const form of [...FILE_FORMS, null])
    for (const [suffix, part] of form?.suffixes ?? COMMON) {
      const match = suffix.exec(key);
      if (match) return { name: key.slice(0, match.index), part: part ?? match[1] ?? '', form };
    }
  // IA³ of LyCORIS names its numbers like a weight; only the mark beside them tells.
  const name = key.replace(/\.weight$/, '');
  return name !== key && file.tensors.has(`${name}.on_input`) ? { name, part: 'weight', form: ia3 } : null;
}

/** @throws KronaError ADAPTER_METHOD_UNSUPPORTED if a tensor is of a method that is known and not read */
function refuseOther(file: SafetensorsFile, key: string): void {
  const [, other] = OTHERS.find(([pattern]) => pattern.test(key)) ?? [];
  if (other !== undefined)
    throw new KronaError(
      'ADAPTER_METHOD_UNSUPPORTED',
      `${file.name} holds ${other} (${key}); supported: ${SUPPORTED}.`,
    );
}

const SUPPORTED =
  'LoKr, LoRA, LoHa, GLoRA, OFT, BOFT and IA³ of LyCORIS, PEFT folders, DiffuseKronA and differences';

function noAdapter(file: SafetensorsFile): KronaError {
  const [first] = file.tensors.keys();
  return new KronaError(
    'ADAPTER_FORMAT_UNSUPPORTED',
    `${file.name} is not an adapter that Krona knows (its first tensor: ${first ?? 'none'}); supported: ${SUPPORTED}.`,
  );
}
