/** @file What `krona doctor` looks at on this machine: versions, variables, the data folder, ports, the disk. */
import { constants } from 'node:fs';
import { access, lstat, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Config } from '../../core/config.ts';
import { formsFolder, storageLimit, unknownVariables, VARIABLES } from '../../core/environment.ts';
import { byteSize } from '../../core/format.ts';
import { suggestion } from '../../core/nearest.ts';
import { runsOnNode, version } from '../../core/package.ts';
import { isOwnFolder } from '../../core/private-files.ts';
import { failed, ok, warning, type Finding } from './finding.ts';

/** Free space below which trainings soon fail, and below which an administrator has some days, bytes. */
const NO_ROOM = 1024 ** 3;
const LITTLE_ROOM = 10 * 1024 ** 3;

export function lookAtVersions(): Finding[] {
  const text = `Krona ${version}, Node ${process.versions.node}, ${process.platform} ${process.arch}`;
  return [
    runsOnNode()
      ? ok('versions', text)
      : failed('versions', `${text}. Krona runs on Node 20.19, 22.18, and 24 and newer.`),
  ];
}

/** Variables that look like Krona's and aren't: most are mistyped. */
export function lookAtVariables(): Finding[] {
  return unknownVariables().map((name) =>
    warning('variables', `Krona does not know ${name}.${suggestion(name, VARIABLES)}`),
  );
}

export async function lookAtFolder({ dataFolder }: Pick<Config, 'dataFolder'>): Promise<Finding[]> {
  const info = await lstat(dataFolder).catch(() => null);
  if (info === null)
    return [warning('data folder', 'It does not exist yet. Krona makes it at its first start.')];
  if (!info.isDirectory()) return [failed('data folder', 'KRONA_DATA names a file. Name a folder.')];
  if (process.getuid !== undefined && info.uid !== process.getuid())
    return [
      failed(
        'data folder',
        'It belongs to another user. Run Krona as that user, or give the folder to this one.',
      ),
    ];
  const writable = await access(dataFolder, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!writable) return [failed('data folder', 'It is read-only. Give this user the right to write in it.')];
  if (process.platform !== 'win32' && (info.mode & 0o077) !== 0)
    return [
      warning(
        'data folder',
        'Other users of this machine can look into it. Krona closes it at its next start.',
      ),
    ];
  return [ok('data folder', 'only this user can enter it')];
}

/** Compiled programs, which a worker takes from no folder that somebody else can put others into. */
export async function lookAtForms(): Promise<Finding[]> {
  const folder = formsFolder();
  if (folder === null || (await isOwnFolder(folder))) return [];
  return [
    warning(
      'compiled programs',
      'Others can write into their folder, so workers do not use it and start more slowly. Take the right from them (chmod go-w), or set KRONA_FORMS to another folder.',
    ),
  ];
}

export async function lookAtDisk({
  dataFolder,
  blobs,
}: Pick<Config, 'dataFolder' | 'blobs'>): Promise<Finding[]> {
  const { bsize, bavail } = await statfs(dataFolder).catch(() => statfs('.'));
  const free = bavail * bsize;
  const text = `${byteSize(free)} free`;
  if (free < NO_ROOM) return [failed('disk', `${text}. Krona needs at least 1 GiB.`)];
  if (free < LITTLE_ROOM) return [warning('disk', `${text}. Trainings and pictures soon fill it.`)];
  const limit = storageLimit();
  if (blobs.kind !== 'folder') return [ok('disk', text)];
  const most = limit === null ? 'as much as they want' : `up to ${byteSize(limit)}`;
  return [ok('disk', `${text}; members can store ${most} (KRONA_STORAGE)`)];
}

export async function lookAtPorts({
  host,
  port,
  status,
}: Pick<Config, 'host' | 'port' | 'status'>): Promise<Finding[]> {
  const places = [
    { name: 'KRONA_PORT', host, port },
    ...(status === null ? [] : [{ name: 'KRONA_STATUS_PORT', ...status }]),
  ];
  return Promise.all(
    places.map(async ({ name, host, port }): Promise<Finding> => {
      if (port === 0) return ok('ports', `${name}: the system chooses`);
      const refused = await tryPort(host, port);
      if (refused === null) return ok('ports', `${name}: ${port} is free`);
      if (refused !== 'EADDRINUSE')
        return failed(
          'ports',
          `${name}: this machine can't listen on ${port} (${refused}). Check the host and the port.`,
        );
      return (await isKrona(port))
        ? ok('ports', `${name}: Krona listens on ${port}`)
        : failed('ports', `${name}: another program listens on ${port}. Set ${name} to a free port.`);
    }),
  );
}

/** Why nothing can listen there; null: it can. */
function tryPort(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'));
    server.listen(port, host, () => server.close(() => resolve(null)));
  });
}

/** Whether Krona's chat or monitoring answers on a port of this machine. */
async function isKrona(port: number): Promise<boolean> {
  for (const path of ['/api/me', '/healthz']) {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      signal: AbortSignal.timeout(3_000),
    }).catch(() => null);
    const text = response?.ok ? await response.text().catch(() => '') : '';
    if (text.startsWith('{"me":') || text === 'ok\n') return true;
  }
  return false;
}
