/** @file An optimiser's state as a .safetensors file, from which a run resumes bit for bit. */
import { KronaError } from '../../core/errors.ts';
import { openSafetensors, readFloats, writeSafetensors } from '../models/safetensors.ts';
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

/** null if the file is missing. @throws KronaError SAFETENSORS_* when it is damaged */
export async function loadOptimizer(
  path: string,
): Promise<{ state: OptimizerState; facts: ReadonlyMap<string, string> } | null> {
  const file = await openSafetensors(path).catch((error: unknown) => {
    if (error instanceof KronaError && error.code === 'FILE_NOT_FOUND') return null;
    throw error;
  });
  if (!file) return null;
  const vector = (name: string): Promise<Float32Array> => {
    const stored = file.tensors.get(name);
    if (!stored) throw new KronaError('SAFETENSORS_INVALID', `${file.name} has no vector ${name}.`);
    return readFloats(stored);
  };
  return {
    state: {
      step: Number(file.metadata.get('step')),
      parameters: await vector('parameters'),
      m: await vector('m'),
      v: await vector('v'),
      average: file.tensors.has('average') ? await vector('average') : null,
    },
    facts: file.metadata,
  };
}
