/** @file The adapter that a refinement goes on from: its form and numbers, and the options that its file decides. */
import { basename } from 'node:path';
import { KronaError } from '../../core/errors.ts';
import { adapterBase } from '../adapters/files/adapter-base.ts';
import { adapterInfo, noiseStrengthOf } from '../adapters/files/adapter-info.ts';
import { readAdapter } from '../adapters/files/read-adapter.ts';
import { flatLayers, withoutScales, type AdapterShapes } from '../adapters/adapter.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import type { TrainOptions } from './train-options.ts';

export interface RefineStart {
  readonly shapes: AdapterShapes;
  /** The flat vector. */
  readonly parameters: Float32Array;
  /** The run's options, with those of the adapter: its method, its sides or rank, its strength by noise. */
  readonly options: TrainOptions;
}

/** @throws KronaError as readAdapter; REFINE_UNSUPPORTED, PAIRS_MISSING */
export async function refineStart(
  model: ModelFolder,
  options: TrainOptions,
  { from, pairs, exampleSteps }: NonNullable<TrainOptions['refine']>,
): Promise<RefineStart> {
  if (pairs.length === 0 && exampleSteps < options.steps)
    throw new KronaError(
      'PAIRS_MISSING',
      'Refining needs pairs of pictures of which members prefer one. Without pairs, `example-steps` must be all steps.',
    );
  const { layers: read, metadata } = await readAdapter(from, adapterBase(model));
  const info = adapterInfo(metadata);
  // Other programs' scales become part of the numbers, so that the file that is written needs none.
  const layers = info === null ? withoutScales(read) : read;
  const methods = new Set([...layers.values()].map(({ form }) => form.method));
  const [method] = methods;
  if (method === undefined || methods.size > 1)
    throw new KronaError(
      'REFINE_UNSUPPORTED',
      `${basename(from)} mixes changes of several kinds, so training can't go on from it. Choose an adapter that Krona trained.`,
    );
  const { factors, rank } = [...layers.values()][0]?.facts() ?? {};
  const noiseStrength = noiseStrengthOf(metadata);
  const { noiseStrength: _own, targets: _targets, factors: _factors, ...others } = options;
  return {
    shapes: layers,
    parameters: flatLayers(layers),
    options: {
      ...others,
      method,
      ...factors,
      ...(rank !== undefined && { rank, alpha: info?.alpha ?? rank }),
      ...(noiseStrength !== undefined && { noiseStrength }),
    },
  };
}
