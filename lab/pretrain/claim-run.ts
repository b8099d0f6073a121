/** @file Records what a run's folder was made with, so that no stage resumes from another configuration's files. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { KronaError } from '../../core/errors.ts';
import { exists } from '../../core/files.ts';
import { modelFingerprint } from '../../gpu-worker/models/fingerprint.ts';
import { openModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { claimFolder } from './claim-folder.ts';
import { parametersFingerprint } from './latent-cache.ts';
import type { PretrainConfig } from './pretrain-config.ts';
import type { ArtVersion } from './sprites.ts';
import { readStageRecord, statePath } from './stage-record.ts';

/** The inputs of a run besides its configuration. */
export interface RunStart {
  /** A model folder. */
  readonly from: string | undefined;
  /** A trained autoencoder's parameters by name. */
  readonly autoencoder: ReadonlyMap<string, Float32Array> | undefined;
}

/**
 * Records in run.json the configuration, the drawings and the initial weights, or checks that they match. Only the
 * steps of the stages can differ, so that a run can be extended; the autoencoder's steps only until the next stage has
 * trained on its latents.
 *
 * @throws KronaError PRETRAIN_MISMATCH, MODEL_*
 */
export async function claimRun(
  folder: string,
  config: PretrainConfig,
  versions: readonly ArtVersion[],
  { from, autoencoder: given }: RunStart,
): Promise<void> {
  const note = join(folder, 'run.json');
  const autoencoder = 'autoencoder';
  if (!(await exists(note)) && (await exists(statePath(folder, autoencoder))))
    throw new KronaError(
      'PRETRAIN_MISMATCH',
      'The --run folder has no run.json, so its configuration is unknown; choose another --run.',
    );
  const { data } = config;
  const facts = {
    configuration: `${data.concepts.length} concepts in ${data.styles.length} styles, seed ${config.training.seed} (${configurationHash(config)})`,
    drawings: versions.map((art) => `${art.package} ${art.version}`).join(', '),
    from:
      from === undefined
        ? 'nothing'
        : `weights ${(await modelFingerprint(await openModelFolder(from))).slice(0, 16)}`,
    ...(given && { autoencoder: `weights ${parametersFingerprint(given)}` }),
  };
  await claimFolder(
    note,
    facts,
    (differences) =>
      new KronaError(
        'PRETRAIN_MISMATCH',
        `The --run folder was made with other inputs (${differences.join('; ')}); use the same inputs, or choose another --run. In the configuration, only steps can change.`,
      ),
  );

  const known = (await readStageRecord(folder, autoencoder))?.steps ?? 0;
  const { steps } = config.training.autoencoder;
  const learnt = (await readStageRecord(folder, 'diffusion'))?.steps ?? 0;
  if (!given && known < steps && learnt > 0)
    throw new KronaError(
      'PRETRAIN_MISMATCH',
      `The --run folder's UNet was trained on latents of an autoencoder with ${known} steps, but the configuration says ${steps}; ` +
        `set training.autoencoder.steps to ${known}, or choose another --run, with --from set to this run's model.`,
    );
}

/** Hash of everything that decides a run except the steps of its stages: lower-case hex, 16 digits. */
function configurationHash({ data, raw, training }: PretrainConfig): string {
  const decisive = JSON.stringify({ data, raw, training }, (key, value: unknown) =>
    key === 'steps' ? undefined : value,
  );
  return createHash('sha256').update(decisive).digest('hex').slice(0, 16);
}
