/** @file What the folder of a run belongs to, so that no stage goes on with what another configuration left there. */
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

/** What a run begins with beside its configuration. */
export interface RunStart {
  /** A model's folder. */
  readonly from: string | undefined;
  /** A trained autoencoder's parameters by name. */
  readonly autoencoder: ReadonlyMap<string, Float32Array> | undefined;
}

/**
 * Notes in run.json the configuration, the drawings and the weights that the run begins with, or checks that they are the
 * same. Only the steps of the stages may differ, so that a run can be prolonged; those of the autoencoder until the next stage
 * has learnt from its latents.
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
      'The --run folder holds a run of which nothing tells what it was made with (it has no run.json); give another --run.',
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
        `The --run folder was made with something else (${differences.join('; ')}); give what it was made with, or another --run. Of a configuration only steps may differ.`,
      ),
  );

  const known = (await readStageRecord(folder, autoencoder))?.steps ?? 0;
  const { steps } = config.training.autoencoder;
  const learnt = (await readStageRecord(folder, 'diffusion'))?.steps ?? 0;
  if (!given && known < steps && learnt > 0)
    throw new KronaError(
      'PRETRAIN_MISMATCH',
      `The --run folder's UNet was taught on latents of an autoencoder of ${known} steps, and the configuration takes that to ${steps}; ` +
        `set training.autoencoder.steps to ${known}, or give another --run with --from on this run's model.`,
    );
}

/** Of all that decides a run but the steps of its stages: lower-case hex, 16 digits. */
function configurationHash({ data, raw, training }: PretrainConfig): string {
  const decisive = JSON.stringify({ data, raw, training }, (key, value: unknown) =>
    key === 'steps' ? undefined : value,
  );
  return createHash('sha256').update(decisive).digest('hex').slice(0, 16);
}
