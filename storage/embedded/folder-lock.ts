/**
 * @file The owner of a data folder's embedded database, or of a folder with a backup. It listens on a Unix socket as long as it lives, which the kernel
 * closes with it, so a process in another container sees it too, where a process id says nothing. A file names the socket.
 * Where the socket can't be reached (another machine on a network drive), the file's time tells: the owner renews it.
 *
 * The files are numbered, and the newest counts. Who finds its owner gone makes the next one, which only one process can;
 * a file that was replaced would be replaced by all who had looked at it before. The newest is never removed, so a late
 * comer with an old number sees that it is late.
 */
import { randomUUID } from 'node:crypto';
import { readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
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

const socketPath = ({ socketFolder, id }: Owner): string => join(socketFolder, `lock-${id}`);

interface LockFile {
  readonly number: number;
  readonly path: string;
}

/** What lock files begin with: those of a data folder's database, and of a folder with a backup. */
type LockName = 'database.lock' | 'backup.lock';

/** The lock files of a folder, the newest first. */
async function lockFiles(folder: string, lockName: LockName): Promise<LockFile[]> {
  const files = (await readdir(folder)).flatMap((name) => {
    if (!name.startsWith(lockName)) return [];
    // Without a number: of an earlier release.
    const named = /^(?:\.(\d+))?$/.exec(name.slice(lockName.length));
    return named === null ? [] : { number: Number(named[1] ?? 0), path: join(folder, name) };
  });
  return files.sort((one, other) => other.number - one.number);
}

/**
 * Makes this process the owner; the returned function releases the folder.
 *
 * @param socketFolder - on this machine, as no other disk has sockets
 * @param inUse - makes the error for a folder that another running process owns
 * @throws KronaError DATA_FOLDER_IN_USE, or another that is given, when another running process owns it
 */
export async function lockFolder(
  folder: string,
  socketFolder: string,
  { name = 'database.lock', inUse = dataFolderInUse }: { name?: LockName; inUse?: () => KronaError } = {},
): Promise<() => Promise<void>> {
  const mine: Owner = { id: randomUUID().slice(0, 8), machine: await thisMachine(), socketFolder };
  const silence = await listen(socketPath(mine));
  let path: string | null = null;
  try {
    while (path === null) path = await tryToLock(folder, name, JSON.stringify(mine), inUse);
  } catch (error) {
    await silence();
    throw error;
  }
  const lock = path;
  const beating = setInterval(() => {
    const now = new Date();
    // A folder that is read-only for a while is noticed by the database.
    utimes(lock, now, now).catch(() => undefined);
  }, BEAT).unref();
  return async () => {
    clearInterval(beating);
    // A disk that takes nothing keeps the file: nobody listens where it says, so the folder is free all the same.
    await writeFile(lock, '').catch(() => undefined);
    await silence();
  };
}

/** Returns the path of the lock file; null when another process was quicker. @throws what `inUse` returns */
async function tryToLock(
  folder: string,
  name: LockName,
  text: string,
  inUse: () => KronaError,
): Promise<string | null> {
  const [newest] = await lockFiles(folder, name);
  if (newest !== undefined && (await livingOwner(newest.path)) !== null) throw inUse();
  const number = (newest?.number ?? 0) + 1;
  const path = join(folder, `${name}.${number}`);
  if (!(await createFileOnce(path, text))) return null;
  const [first, ...older] = await lockFiles(folder, name);
  if (first?.path !== path) {
    await rm(path, { force: true });
    return null;
  }
  for (const file of older) await removeStale(file.path);
  return path;
}

/** Returns the running owner of the folder's database, null when there is none. */
export async function folderOwner(dataFolder: string): Promise<Pick<Owner, 'socketFolder'> | null> {
  const [newest] = await lockFiles(dataFolder, 'database.lock').catch(() => []);
  return newest === undefined ? null : livingOwner(newest.path);
}

/** Removes a dead owner's file and socket. */
async function removeStale(path: string): Promise<void> {
  const owner = readOwner((await readFileIfAny(path)) ?? '');
  await rm(path, { force: true });
  if (owner !== null) await rm(socketPath(owner), { force: true });
}

/** Returns the owner in a lock file if its process is running. */
async function livingOwner(path: string): Promise<Owner | null> {
  const owner = readOwner((await readFileIfAny(path)) ?? '');
  if (owner === null) return null;
  const answer = await ask(socketPath(owner));
  if (answer === 'refused' && owner.machine === (await thisMachine())) return null;
  return answer === 'answers' || (await isRenewed(path)) ? owner : null;
}

/** The owner in a lock file; null when it has released the folder, or a power cut left the file empty or full of zeros. */
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

function dataFolderInUse(): KronaError {
  return new KronaError(
    'DATA_FOLDER_IN_USE',
    'Another process already uses this data folder. Stop it, or set KRONA_DATA to another folder.',
  );
}
