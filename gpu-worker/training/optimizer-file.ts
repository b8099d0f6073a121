/** @file An optimiser's state as a .safetensors file, from which a run resumes bit for bit. */
import { KronaError } from '../../core/errors.ts';
import {
  openSafetensors,
  readFloats,
  writeSafetensors,
  type SafetensorsFile,
} from '../models/safetensors.ts';
import type { OptimizerState } from './adamw.ts';

/** Writes atomically; `facts` are kept as metadata. */
export async function saveOptimizer(
  path: string,
  state: OptimizerState,
  facts: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { step, parameters, m, v, average } = state;
  const vectors = { parameters, m, v, ...(average ? { average } : {}) };
  const tensors = Object.entries(vectors).map(
    ([name, data]) => [name, { dtype: 'F32' as const, shape: [data.length], data }] as const,
  );
  await writeSafetensors(path, new Map(tensors), new Map(Object.entries({ ...facts, step: `${step}` })));
}

/** How many steps a saved state has; null when there is no such file. @throws KronaError SAFETENSORS_* */
export async function savedStep(path: string): Promise<number | null> {
  const file = await openIfAny(path);
  return file && stepOf(file);
}

/** null when there is no such file. @throws KronaError SAFETENSORS_* when it is damaged */
export async function loadOptimizer(
  path: string,
): Promise<{ state: OptimizerState; facts: ReadonlyMap<string, string> } | null> {
  const file = await openIfAny(path);
  if (!file) return null;
  const vector = (name: string): Promise<Float32Array> => {
    const stored = file.tensors.get(name);
    if (!stored) throw new KronaError('SAFETENSORS_INVALID', `${file.name} has no vector ${name}.`);
    return readFloats(stored);
  };
  return {
    state: {
      step: stepOf(file),
      parameters: await vector('parameters'),
      m: await vector('m'),
      v: await vector('v'),
      average: file.tensors.has('average') ? await vector('average') : null,
    },
    facts: file.metadata,
  };
}

async function openIfAny(path: string): Promise<SafetensorsFile | null> {
  return openSafetensors(path).catch((error: unknown) => {
    if (error instanceof KronaError && error.code === 'FILE_NOT_FOUND') return null;
    throw error;
  });
}

function stepOf({ name, metadata }: SafetensorsFile): number {
  const step = Number(metadata.get('step') ?? Number.NaN);
  if (Number.isSafeInteger(step) && step >= 0) return step;
  throw new KronaError('SAFETENSORS_INVALID', `${name} does not say how many steps it has.`);
}
