/** @file `krona backup`: saves an installation in a folder, while it runs. */
import { isAbsolute, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { readConfig } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import { counted } from '../../core/format.ts';
import { makePrivateFolder } from '../../core/private-files.ts';
import { makeBackup, type BackupResult } from '../../storage/backup/backup.ts';
import { installedBlobs, installedDatabase } from '../installation.ts';
import { action, type Outcome, type Shell } from '../output.ts';

export function define(backup: Command, shell: Shell): void {
  backup
    .argument('<folder>', 'a new folder, or that of the last backup: only what is new is copied')
    .option('--check', 'also read every copied file again and compare its hash')
    .addHelpText(
      'after',
      '\nEnvironment: KRONA_DATA, DATABASE_URL, KRONA_BLOBS (with AWS_*). Keys in KRONA_DATA are not copied.',
    );
  action(backup, shell, async (io, given: string, { check = false }: { check?: boolean }) => {
    const config = await readConfig();
    const folder = resolve(given);
    const inside = relative(config.dataFolder, folder);
    if (!inside.startsWith('..') && !isAbsolute(inside))
      throw new KronaError(
        'BACKUP_IN_DATA_FOLDER',
        'The backup would be in the data folder, and be lost with it. Give another folder, best on another disk.',
      );
    await makePrivateFolder(folder);
    const database = await installedDatabase(config);
    try {
      const blobs = await installedBlobs(config, database.url);
      try {
        const { signal, progress } = io;
        const result = await makeBackup(database.url, blobs, folder, {
          check,
          signal,
          onProgress: (phase, step, steps) => progress.show({ phase, step, steps, secondsLeft: null }),
        });
        return describe(result, given);
      } finally {
        await blobs.close();
      }
    } finally {
      await database.close();
    }
  });
}

function describe(result: BackupResult, folder: string): Outcome {
  const { rows, blobs, copied, dropped } = result;
  const lines = [
    `Saved ${counted(rows, 'record')} and ${counted(blobs.count, 'file')} in ${folder}: ${copied} copied, ${dropped} no longer needed and deleted.`,
  ];
  if (blobs.missing.length > 0)
    lines.push(
      `${counted(blobs.missing.length, 'file')} that records refer to could not be found; \`krona doctor\` may say why:`,
      ...blobs.missing.map((hash) => `  ${hash}`),
    );
  return { json: result, text: lines.join('\n'), exitCode: blobs.missing.length === 0 ? 0 : 1 };
}
