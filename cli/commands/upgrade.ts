/** @file `krona upgrade --check`: what the first start of this release changes in an installation. */
import type { Command } from 'commander';
import { readConfig } from '../../core/config.ts';
import { unknownVariables } from '../../core/environment.ts';
import { KronaError } from '../../core/errors.ts';
import { counted } from '../../core/format.ts';
import { runsOnNode, version } from '../../core/package.ts';
import { inspectDatabase } from '../../storage/postgres/inspect.ts';
import { installedDatabase } from '../installation.ts';
import { action, type Outcome, type Shell } from '../output.ts';

export function define(upgrade: Command, shell: Shell): void {
  upgrade
    .option('--check', 'look at the database and the environment, and change nothing')
    .addHelpText('after', '\nRun it with the new release. Environment: KRONA_DATA, DATABASE_URL.');
  action(upgrade, shell, async (_io, { check = false }: { check?: boolean }) => {
    if (!check)
      throw new KronaError(
        'UPGRADE_BY_START',
        'Krona upgrades the database when it starts. Add --check to see what that would change.',
      );
    const database = await installedDatabase(await readConfig(undefined, 'made up'));
    try {
      return describe(await inspectDatabase(database.url));
    } finally {
      await database.close();
    }
  });
}

function describe({ last, known, pending }: Awaited<ReturnType<typeof inspectDatabase>>): Outcome {
  const problems: string[] = [];
  if (!runsOnNode())
    problems.push(`Node ${process.versions.node} is not supported. Install 20.19, 22.18, or 24 and newer.`);
  if (last > known)
    problems.push(
      `A newer release has migrated the database to ${last}; this one knows ${known}. Use the newer release, or restore a backup.`,
    );
  const unknown = unknownVariables();
  const remarks =
    pending.length === 0
      ? [`The database is as Krona ${version} needs it.`]
      : [
          `The first start of Krona ${version} applies ${counted(pending.length, 'migration')}: ${pending.join(', ')}.`,
          'Earlier releases can’t use the database after that. Make a backup first: `krona backup`.',
        ];
  if (unknown.length > 0)
    remarks.push(`Krona ${version} does not know these variables: ${unknown.join(', ')}.`);
  return {
    json: {
      ok: problems.length === 0,
      version,
      migration: last,
      pending,
      unknownVariables: unknown,
      problems,
    },
    text: [...problems, ...remarks].join('\n'),
    exitCode: problems.length === 0 ? 0 : 1,
  };
}
