/** @file `krona backup`: saves an installation in a folder, while it runs. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { readConfig, type Config } from '../../core/config.ts';
import { counted } from '../../core/format.ts';
import { makeFilesPrivate } from '../../core/private-files.ts';
import { makeBackup, type BackupResult } from '../../storage/backup/backup.ts';
import { takeBackupFolder } from '../../storage/backup/folder.ts';
import { installedBlobs, installedDatabase } from '../installation.ts';
import { action, type CommandIo, type Outcome, type Shell } from '../output.ts';

export function define(backup: Command, shell: Shell): void {
  backup
    .argument('<folder>', 'a new folder, or that of the last backup: only what is new is copied')
    .option('--check', 'also read every copied file again and compare its hash')
    .addHelpText(
      'after',
      '\nEnvironment: KRONA_DATA, DATABASE_URL, KRONA_BLOBS (with AWS_*). Keys in KRONA_DATA are not copied.',
    );
  action(backup, shell, async (io, given: string, { check = false }: { check?: boolean }) => {
    makeFilesPrivate();
    const config = await readConfig();
    const folder = resolve(given);
    const release = await takeBackupFolder(folder, config);
    try {
      return describe(await save(config, folder, check, io), given);
    } finally {
      await release();
    }
  });
}

async function save(
  config: Config,
  folder: string,
  check: boolean,
  { signal, progress }: CommandIo,
): Promise<BackupResult> {
  const database = await installedDatabase(config);
  try {
    const blobs = await installedBlobs(config, database.url);
    try {
      return await makeBackup(database.url, blobs, folder, {
        check,
        signal,
        onProgress: (phase, step, steps) => progress.show({ phase, step, steps, secondsLeft: null }),
      });
    } finally {
      await blobs.close();
    }
  } finally {
    await database.close();
  }
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
