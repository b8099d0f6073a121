/** @file The folder of a comparison: whose results it has, and the scales that all of them use. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Progress } from '../../core/records.ts';
import { modelFingerprint } from '../../gpu-worker/models/fingerprint.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import { readPretrainData } from '../pretrain/pretrain-config.ts';
import { loadSprites } from '../pretrain/sprites.ts';
import { Comparison, type ComparisonFolder } from './compare-subject.ts';
import { measureScales } from './features.ts';
import { claimFolder, fileHashes, writeJson } from './files.ts';
import { classifierPath } from './judges.ts';
import { subjectsPath } from './subjects.ts';

/** @throws KronaError EVALUATION_MISMATCH when the folder has results of something else; MODEL_* */
export async function claimComparison({
  model,
  config,
  out,
  subjects = subjectsPath,
}: ComparisonFolder): Promise<void> {
  await claimFolder(join(out, 'run.json'), {
    model: await modelFingerprint(await openModel(model)),
    // Everything else that decides a result.
    ...(await fileHashes({
      config,
      subjects,
      concepts: classifierPath('concepts'),
      styles: classifierPath('styles'),
    })),
  });
}

/** Feature scales are measured once, so that all processes compare alike. */
export async function prepareScales(
  options: ComparisonFolder & { readonly onProgress?: (progress: Progress) => void },
): Promise<void> {
  const path = join(options.out, 'scales.json');
  if (existsSync(path)) return;
  options.onProgress?.({ phase: 'scales of features', step: 0, steps: 1, secondsLeft: null });
  const comparison = await Comparison.open(options);
  try {
    const data = await readPretrainData(options.config);
    const sheet = await loadSprites(data, join(options.out, 'sprites'));
    await writeJson(path, await measureScales(comparison.extractors, data, sheet));
  } finally {
    await comparison.release();
  }
}
