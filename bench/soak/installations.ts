/**
 * @file The two installations of the soak, of real processes: a bot and a worker with played engines on PostgreSQL and
 * Redis, and `krona start` with the embedded database and the real engine.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { nodeOptions } from '../../core/own-program.ts';
import { startPostgres, startRedis } from '../../test/storage/helpers/servers.ts';
import { descendants } from '../processes.ts';
import { databaseSample, folderSample, processSample, redisSample, together, type Sample } from './sample.ts';

const ROOT = join(import.meta.dirname, '../..');

export interface Installation {
  readonly address: string;
  readonly moderatorAddress: string;
  sample(): Promise<Sample>;
  stop(): Promise<void>;
}

/** Engines of the played worker, and how long each takes for a picture, ms. */
const PLAYED = { engines: 2, pictureMs: 100 };

export async function startPlayed(folder: string): Promise<Installation> {
  const [postgres, redis] = [await startPostgres(), await startRedis(undefined, true)];
  const data = join(folder, 'played');
  const heaps = join(folder, 'heaps');
  await Promise.all([mkdir(data, { recursive: true }), mkdir(heaps, { recursive: true })]);
  const log = await open(join(folder, 'played.log'), 'w');
  const env = { ...observed(heaps), KRONA_DATA: data, DATABASE_URL: postgres.url, REDIS_URL: redis.url };
  const bot = program(
    ['cli/krona.ts', 'bot', '--json'],
    { ...env, KRONA_PORT: '0', KRONA_STATUS_PORT: '0' },
    log.fd,
  );
  const said = await addresses(bot);
  const worker = program(
    [
      'bench/workers/worker.ts',
      data,
      String(PLAYED.engines),
      String(PLAYED.pictureMs),
      join(folder, 'taken.txt'),
    ],
    env,
    log.fd,
  );
  return {
    ...said,
    async sample() {
      // As Prometheus would.
      await fetch(`${said.statusAddress}/metrics`).then((response) => response.text());
      return {
        ...(await processSample('bot', bot.pid ?? 0, heaps)),
        ...(await processSample('worker', worker.pid ?? 0, heaps)),
        ...(await databaseSample('PostgreSQL', postgres.url, true)),
        ...(await redisSample(redis.url)),
        ...(await folderSample('blobs', join(data, 'blobs'))),
        ...(await folderSample('uploads', join(data, 'uploads'))),
        'log: bytes': (await log.stat()).size,
      };
    },
    async stop() {
      await Promise.all([ended(bot), ended(worker)]);
      await redis.stop();
      await postgres.stop();
      await log.close();
    },
  };
}

export async function startReal(folder: string): Promise<Installation> {
  const data = join(folder, 'real');
  const heaps = join(folder, 'heaps');
  await Promise.all([mkdir(data, { recursive: true }), mkdir(heaps, { recursive: true })]);
  const log = await open(join(folder, 'real.log'), 'w');
  const env = { ...observed(heaps), KRONA_DATA: data, KRONA_PORT: '0', KRONA_THREADS: '1' };
  const start = program(['cli/krona.ts', 'start', '--json'], env, log.fd);
  const said = await addresses(start);
  const url = `postgres:///postgres?user=postgres&host=${encodeURIComponent(join(data, 'socket'))}`;
  return {
    ...said,
    async sample() {
      const parts = [{ pid: start.pid ?? 0, name: 'krona start' }];
      for (const { pid, words } of await descendants(start.pid ?? 0)) {
        const name = ['bot', 'worker'].find((command) => words.includes(command));
        const engine = words.some((word) => word.includes('engine-process'));
        if (name !== undefined || engine) parts.push({ pid, name: engine ? 'engine' : `its ${name}` });
      }
      const samples = await Promise.all(parts.map(({ pid, name }) => processSample(name, pid, heaps)));
      return {
        ...together(samples),
        ...(await databaseSample('embedded database', url, false)),
        ...(await folderSample('embedded database folder', join(data, 'database'))),
        ...(await folderSample('its blobs', join(data, 'blobs'))),
        'its log: bytes': (await log.stat()).size,
      };
    },
    async stop() {
      await ended(start);
      await log.close();
    },
  };
}

const observed = (heaps: string): NodeJS.ProcessEnv => ({
  ...process.env,
  SOAK_HEAPS: heaps,
  NODE_OPTIONS: `--import ${import.meta.resolve('./heap-note.ts')}`,
});

function program(args: readonly string[], env: NodeJS.ProcessEnv, log: number): ChildProcess {
  return spawn(process.execPath, args, {
    cwd: ROOT,
    env: { ...env, NODE_OPTIONS: [...nodeOptions, env['NODE_OPTIONS'] ?? ''].join(' ') },
    stdio: ['ignore', 'pipe', log],
  });
}

interface Addresses {
  readonly address: string;
  readonly moderatorAddress: string;
  readonly statusAddress: string | null;
}

async function addresses(child: ChildProcess): Promise<Addresses> {
  let text = '';
  for await (const chunk of child.stdout ?? []) {
    text += String(chunk);
    // Its output is not needed any more, but must not fill the pipe.
    if (text.includes('\n')) return JSON.parse(text) as Addresses;
  }
  throw new Error(`the program ended before it was ready: ${text}`);
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}
