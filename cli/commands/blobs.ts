/** @file `krona blobs`: moves photos, pictures and adapters between folders, buckets and PostgreSQL. */
import { isDeepStrictEqual } from 'node:util';
import type { Command } from 'commander';
import { readBlobPlace } from '../../core/blob-place.ts';
import { readConfig } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import { exists } from '../../core/files.ts';
import { byteSize } from '../../core/format.ts';
import { copyBlobs, type CopyResult } from '../../storage/blobs/copy.ts';
import { openBlobsAt } from '../../storage/open.ts';
import { action, type CommandIo, type Outcome, type Shell } from '../output.ts';

export function define(blobs: Command, shell: Shell): void {
  const copy = blobs
    .command('copy')
    .description('copy all photos, pictures and adapters; what is there already is not copied again')
    .argument('<from>', 'a folder such as data/blobs, s3://bucket/prefix, or postgres (DATABASE_URL)')
    .argument('<to>', 'the same')
    .option('--check', 'also read every copy again and compare its hash');
  copy.addHelpText(
    'after',
    '\nEnvironment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL (bucket), DATABASE_URL.',
  );
  action(copy, shell, (io, from: string, to: string, { check = false }: { check?: boolean }) =>
    copyBetween(io, from, to, check),
  );
}

async function copyBetween(io: CommandIo, given: string, givenTo: string, check: boolean): Promise<Outcome> {
  const [from, to] = [readBlobPlace(given, '<from>'), readBlobPlace(givenTo, '<to>')];
  if (isDeepStrictEqual(from, to))
    throw new KronaError('BLOBS_SAME_PLACE', '<from> and <to> are the same place. Give two places.');
  // Opening a folder would make it.
  if (from.kind === 'folder' && !(await exists(from.folder)))
    throw new KronaError(
      'BLOBS_FOLDER_MISSING',
      'The folder to copy from does not exist. Check its path: by default it is data/blobs.',
    );
  const config = await readConfig();
  const source = await openBlobsAt(from, config);
  try {
    const target = await openBlobsAt(to, config);
    try {
      const began = performance.now();
      const result = await copyBlobs(source, target, {
        check,
        signal: io.signal,
        onProgress(done, all) {
          const secondsLeft = ((performance.now() - began) / 1000 / done) * (all - done);
          io.progress.show({ phase: 'copying', step: done, steps: all, secondsLeft });
        },
      });
      return describe(result, givenTo);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

function describe(result: CopyResult, to: string): Outcome {
  const { copied, kept, bytes, damaged } = result;
  const lines = [`Copied ${copied} files (${byteSize(bytes)}) to ${to}; ${kept} were there already.`];
  if (damaged.length > 0)
    lines.push(
      `${damaged.length} files are damaged in the source and were not copied:`,
      ...damaged.map((hash) => `  ${hash}`),
    );
  return { json: result, text: lines.join('\n'), exitCode: damaged.length === 0 ? 0 : 1 };
}
