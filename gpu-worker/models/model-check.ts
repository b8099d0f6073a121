/**
 * @file Checks a model: its configs are supported, and its files hold every tensor in the right shape. It loads and
 * computes nothing; models are only traced.
 */
import { at } from '../../core/at.ts';
import { describeError } from '../../core/errors.ts';
import { sizeOf } from '../graph/shapes.ts';
import type { Architecture } from './architecture.ts';
import { openFolderParts, type FolderParts, type ModelComponent, type ModelFolder } from './model-folder.ts';
import { openModel } from './open-model.ts';
import { tensorProblem, type ParameterShape } from './parameters.ts';
import { clipParameters, unetParameters, vaeParameters } from './part-parameters.ts';
import { checkVocabulary, loadTokenizer } from './tokenizer.ts';

export { clipParameters, unetParameters, vaeParameters } from './part-parameters.ts';

export interface ModelProblem {
  readonly code: string;
  readonly message: string;
}

export interface ModelReport {
  /** null if the model can't be opened; the counts are then those of the parts that can. */
  readonly architecture: Architecture | null;
  readonly unetParameters: number;
  /** Of all text encoders combined. */
  readonly textEncoderParameters: number;
  readonly vaeParameters: number;
  /** The model runs here. Unused tensors are listed as problems, but don't make it fail. */
  readonly ok: boolean;
  readonly problems: readonly ModelProblem[];
}

export interface ModelPart {
  /** `unet`, `vae`, `text_encoder`, `text_encoder_2` */
  readonly name: string;
  readonly parameters: number;
  /** Of its tensors, in safetensors' names. */
  readonly dtypes: readonly string[];
}

export interface ModelInspection extends Pick<ModelReport, 'architecture' | 'ok' | 'problems'> {
  /** UNet, text encoders, VAE. */
  readonly parts: readonly ModelPart[];
}

/**
 * Checks a folder or a single file. The report lists the problems.
 *
 * @throws KronaError MODEL_NOT_FOUND when `path` doesn't exist
 */
export async function checkModel(path: string): Promise<ModelReport> {
  return reportOf(await inspectModel(path));
}

/** An inspection with the counts of its parts summed by kind. */
export function reportOf({ architecture, parts, ok, problems }: ModelInspection): ModelReport {
  const parameters = (wanted: RegExp): number =>
    parts.filter(({ name }) => wanted.test(name)).reduce((sum, part) => sum + part.parameters, 0);
  return {
    architecture,
    unetParameters: parameters(/^unet$/),
    textEncoderParameters: parameters(/^text_encoder/),
    vaeParameters: parameters(/^vae$/),
    ok,
    problems,
  };
}

/** As `checkModel`, with each part separately. */
export async function inspectModel(
  path: string,
  open: (path: string) => Promise<ModelFolder> = openModel,
): Promise<ModelInspection> {
  let model: ModelFolder;
  try {
    model = await open(path);
  } catch (error) {
    const problem = describeError(error);
    if (problem.code === 'MODEL_NOT_FOUND' || problem.code === 'INTERNAL') throw error;
    const there = await openFolderParts(path).catch((): FolderParts => ({ textEncoders: [] }));
    return {
      architecture: null,
      parts: expectedParts(there).map(countPart),
      ok: false,
      problems: [problem],
    };
  }
  const { textEncoders, tokenizers } = model;
  const parts = expectedParts(model);
  const problems = parts.flatMap(({ component, shapes }) => compare(component, shapes));
  if (model.extra.length > 0) problems.push(unknownTensors(model.name, model.extra));
  for (const [i, files] of tokenizers.entries())
    await loadTokenizer(files)
      .then((tokenizer) => checkVocabulary(tokenizer, at(textEncoders, i)))
      .catch((error: unknown) => {
        const problem = describeError(error);
        // Both tokenizers of a single file can be the same folder.
        if (!problems.some(({ message }) => message === problem.message)) problems.push(problem);
      });
  return {
    architecture: model.architecture,
    parts: parts.map(countPart),
    ok: problems.every(({ code }) => code === 'MODEL_TENSOR_UNKNOWN'),
    problems,
  };
}

/** A part, and the parameters that its config asks for. */
interface ExpectedPart {
  readonly component: ModelComponent<unknown>;
  readonly shapes: readonly ParameterShape[];
}

function expectedParts({ unet, textEncoders, vae }: FolderParts): ExpectedPart[] {
  return [
    ...(unet ? [{ component: unet, shapes: unetParameters(unet.config) }] : []),
    ...textEncoders.map((encoder) => ({ component: encoder, shapes: clipParameters(encoder.config) })),
    ...(vae ? [{ component: vae, shapes: vaeParameters(vae.config) }] : []),
  ];
}

function countPart({ component: { name, tensors }, shapes }: ExpectedPart): ModelPart {
  return {
    name,
    parameters: shapes.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
    dtypes: [...new Set([...tensors.values()].map(({ dtype }) => dtype))].sort(),
  };
}

/** Missing, misshapen and unused tensors of a component's files. */
function compare(component: ModelComponent<unknown>, shapes: readonly ParameterShape[]): ModelProblem[] {
  const problems: ModelProblem[] = [];
  const unused = new Set(component.tensors.keys());
  for (const { name, shape } of shapes) {
    unused.delete(name);
    const inFile = component.fileName?.(name);
    const where = `${component.name}: ${name}${inFile === undefined ? '' : ` (in the file ${inFile})`}`;
    const problem = tensorProblem(where, component.tensors.get(name), shape);
    if (problem !== null) problems.push({ code: problem.code, message: problem.message });
  }
  if (unused.size > 0) problems.push(unknownTensors(component.name, [...unused]));
  return problems;
}

function unknownTensors(where: string, names: readonly string[]): ModelProblem {
  return {
    code: 'MODEL_TENSOR_UNKNOWN',
    message:
      `${where}: ${names.length} tensors have no place in this architecture: ` +
      `${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''}. Krona ignores them.`,
  };
}
