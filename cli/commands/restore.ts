/** @file `krona restore`: brings a backup back into an empty installation. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { readConfig } from '../../core/config.ts';
import { counted } from '../../core/format.ts';
import { makeFilesPrivate } from '../../core/private-files.ts';
import { restoreBackup, type RestoreResult } from '../../storage/backup/restore.ts';
import { databaseToFill, installedBlobs } from '../installation.ts';
import { action, type Outcome, type Shell } from '../output.ts';

export function define(restore: Command, shell: Shell): void {
  restore
    .argument('<folder>', 'that of a backup')
    .addHelpText(
      'after',
      '\nStop Krona first. Environment: KRONA_DATA, DATABASE_URL, KRONA_BLOBS (with AWS_*): where to restore.',
    );
  action(restore, shell, async (io, given: string) => {
    makeFilesPrivate();
    const config = await readConfig();
    const { signal, progress } = io;
    const result = await restoreBackup(
      resolve(given),
      () => databaseToFill(config),
      (url) => installedBlobs(config, url),
      {
        signal,
        onProgress: (phase, step, steps) => progress.show({ phase, step, steps, secondsLeft: null }),
      },
    );
    return describe(result);
  });
}

function describe(result: RestoreResult): Outcome {
  const { at, krona, rows, copied, damaged, missing } = result;
  const lines = [
    `Restored ${counted(rows, 'record')} and ${counted(copied, 'file')} of ${at} (Krona ${krona}). Start Krona: it queues again what was under way.`,
  ];
  if (damaged.length > 0)
    lines.push(
      `${counted(damaged.length, 'file')} of the backup are damaged and were not restored:`,
      ...damaged.map((hash) => `  ${hash}`),
    );
  if (missing.length > 0)
    lines.push(
      `${counted(missing.length, 'file')} that records refer to are missing. If another backup has them, copy its blobs into this one and restore again:`,
      ...missing.map((hash) => `  ${hash}`),
    );
  return {
    json: result,
    text: lines.join('\n'),
    exitCode: damaged.length === 0 && missing.length === 0 ? 0 : 1,
  };
}
