/** @file Replaces a folder atomically. */
import { cp, mkdir, readdir, realpath, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { KronaError } from '../../core/errors.ts';
import { exists } from '../../core/files.ts';

/**
 * Fills a folder beside the given one and swaps the two by renaming. Top-level entries that only the former has (a note
 * or a picture that somebody added) move along. The former stays unchanged until the swap. If the process is killed
 * between the two renames, the former lies beside as `.NAME.former`, and the next call restores it first.
 *
 * @returns the result of `fill`
 * @throws KronaError FILE_UNWRITABLE; and what `fill` throws
 */
export async function replaceFolder<T>(folder: string, fill: (draft: string) => Promise<T>): Promise<T> {
  const target = await realpath(folder).catch(() => resolve(folder));
  const beside = (kind: string): string => join(dirname(target), `.${basename(target)}.${kind}`);
  const [draft, former] = [beside('unfinished'), beside('former')];
  await writing(target, async () => {
    if (!(await exists(target)) && (await exists(former))) await rename(former, target);
    for (const left of [draft, former]) await rm(left, { recursive: true, force: true });
    await mkdir(draft, { recursive: true });
  });
  try {
    const result = await fill(draft);
    await writing(target, async () => {
      const there = await exists(target);
      for (const name of there ? await readdir(target) : [])
        if (!(await exists(join(draft, name))))
          await cp(join(target, name), join(draft, name), { recursive: true, verbatimSymlinks: true });
      if (there) await rename(target, former);
      await rename(draft, target).catch(async (error: unknown) => {
        if (there) await rename(former, target);
        throw error;
      });
      await rm(former, { recursive: true, force: true });
    });
    return result;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function writing(target: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new KronaError(
      'FILE_UNWRITABLE',
      `The folder ${basename(target)} can't be written (${code}); choose one that Krona can create and rename.`,
      { cause },
    );
  }
}
