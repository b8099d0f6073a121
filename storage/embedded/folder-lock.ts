/**
 * @file The owner of a data folder's embedded database. It listens on a Unix socket as long as it lives, which the kernel
 * closes with it, so a process in another container sees it too, where a process id says nothing. A file names the socket.
 * Where the socket can't be reached (another machine on a network drive), the file's time tells: the owner renews it.
 */
import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { KronaError } from '../../core/errors.ts';
import { createFileOnce, isFileError, readFileIfAny } from '../../core/files.ts';

interface Owner {
  readonly id: string;
  /** Differs between machines, and between two starts of one; the same in all containers of a machine. */
  readonly machine: string;
  /** Folder of the Unix sockets. */
  readonly socketFolder: string;
}

/** How often the owner renews the time of its file, ms. */
const BEAT = 1_000;
/** How long a file whose owner can't be asked is watched for a renewal, ms. */
const WATCHED = 4 * BEAT;

const lockPath = (dataFolder: string): string => join(dataFolder, 'database.lock');
const socketPath = ({ socketFolder, id }: Owner): string => join(socketFolder, `lock-${id}`);

/**
 * Makes this process the owner; the returned function releases the folder.
 *
 * @throws KronaError DATA_FOLDER_IN_USE when another running process owns it
 */
export async function lockFolder(dataFolder: string, socketFolder: string): Promise<() => Promise<void>> {
  const path = lockPath(dataFolder);
  const mine: Owner = { id: randomUUID().slice(0, 8), machine: await thisMachine(), socketFolder };
  const text = JSON.stringify(mine);
  const silence = await listen(socketPath(mine));
  try {
    while (!(await createFileOnce(path, text))) {
      const theirs = await readFileIfAny(path);
      if (theirs === null) continue;
      if (await livingOwner(path, theirs)) throw inUse();
      await removeStale(path, theirs);
    }
  } catch (error) {
    await silence();
    throw error;
  }
  const beating = setInterval(() => {
    const now = new Date();
    // A folder that is read-only for a while is noticed by the database.
    utimes(path, now, now).catch(() => undefined);
  }, BEAT).unref();
  return async () => {
    clearInterval(beating);
    if ((await readFileIfAny(path)) === text) await rm(path);
    await silence();
  };
}

/** Returns the running owner of the folder's database, null when there is none. */
export async function folderOwner(dataFolder: string): Promise<Pick<Owner, 'socketFolder'> | null> {
  const path = lockPath(dataFolder);
  const text = await readFileIfAny(path);
  return text === null ? null : livingOwner(path, text);
}

/** Removes a dead owner's file. Renaming is atomic: of several processes, one succeeds. */
async function removeStale(path: string, expected: string): Promise<void> {
  const moved = `${path}.${randomUUID()}`;
  try {
    await rename(path, moved);
  } catch (error) {
    if (isFileError(error, 'ENOENT')) return;
    throw error;
  }
  const text = await readFile(moved, 'utf8');
  await rm(moved);
  // Another process had already replaced it: that owner is running, so its file goes back.
  if (text !== expected) {
    await createFileOnce(path, text);
    throw inUse();
  }
  const owner = readOwner(text);
  if (owner !== null) await rm(socketPath(owner), { force: true });
}

/** Returns the owner in a lock file if its process is running. */
async function livingOwner(path: string, text: string): Promise<Owner | null> {
  const owner = readOwner(text);
  if (owner === null) return null;
  const answer = await ask(socketPath(owner));
  if (answer === 'refused' && owner.machine === (await thisMachine())) return null;
  return answer === 'answers' || (await isRenewed(path)) ? owner : null;
}

/** The owner in a lock file; null when a power cut left the file empty or filled with zeros. */
function readOwner(text: string): Owner | null {
  let read: Partial<Record<keyof Owner, unknown>> | null;
  try {
    read = JSON.parse(text) as typeof read;
  } catch {
    return null;
  }
  const { id, machine, socketFolder } = read ?? {};
  // It becomes part of a path that is removed.
  if (typeof id !== 'string' || !/^[0-9a-f]{8}$/.test(id)) return null;
  if (typeof machine !== 'string' || typeof socketFolder !== 'string') return null;
  return { id, machine, socketFolder };
}

/** Whether the file's time changes while it is watched. */
async function isRenewed(path: string): Promise<boolean> {
  const timeOf = async () => (await stat(path).catch(() => null))?.mtimeMs;
  const before = await timeOf();
  for (let waited = 0; waited < WATCHED; waited += BEAT / 2) {
    await sleep(BEAT / 2);
    if ((await timeOf()) !== before) return true;
  }
  return false;
}

/** Listens, saying nothing; the returned function ends it and removes the socket. */
async function listen(path: string): Promise<() => Promise<void>> {
  const server = createServer((socket) => socket.destroy()).unref();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return () => new Promise((resolve) => server.close(() => resolve()));
}

/** `refused`: the process that listened has ended. `unknown`: the socket can't be seen from here. */
function ask(path: string): Promise<'answers' | 'refused' | 'unknown'> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve('answers');
    });
    socket.once('error', (error) => resolve(isFileError(error, 'ECONNREFUSED') ? 'refused' : 'unknown'));
  });
}

/** Linux's id of this start of the machine; the host's name elsewhere. */
const thisMachine = async (): Promise<string> =>
  (await readFileIfAny('/proc/sys/kernel/random/boot_id').catch(() => null))?.trim() ?? hostname();

function inUse(): KronaError {
  return new KronaError(
    'DATA_FOLDER_IN_USE',
    'Another process already uses this data folder. Stop it, or set KRONA_DATA to another folder.',
  );
}
