/**
 * @file The folder of a repository in a hub cache (`models--owner--name`, as huggingface_hub and diffusers keep it):
 * commits as folders of links in `snapshots/`, branches as files with a commit in `refs/`.
 */
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { readSmallFile } from './small-file.ts';

/** The snapshot of a cache folder's `main`, or its only one; null for any other folder. */
export async function cachedSnapshot(folder: string): Promise<string | null> {
  const snapshots = await readdir(join(folder, 'snapshots')).catch((): string[] => []);
  const main = ((await readSmallFile(join(folder, 'refs', 'main'))) ?? '').trim();
  const [commit, another] = snapshots.includes(main) ? [main] : snapshots;
  return commit === undefined || another !== undefined ? null : join(folder, 'snapshots', commit);
}

/** The model name for people: the folder's name, or in a hub cache the repository's, not the commit's. */
export function modelName(folder: string): string {
  const repository = /^models--.*?--(.+)$/.exec(basename(dirname(dirname(folder))))?.[1];
  return basename(dirname(folder)) === 'snapshots' && repository !== undefined
    ? repository
    : basename(folder);
}
