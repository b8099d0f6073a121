/**
 * @file Many workers at once: real bot, workers, PostgreSQL and Redis in processes of this machine, with engines that are
 * played. First a backlog of all jobs is worked off while processes are killed and servers crash; then jobs come at a
 * steady rate, and their waits are measured. Prints a table; docs/operation.md has the published one.
 *
 *   npx tsx bench/workers/run.ts --jobs 20000 --channels 1000 --processes 10 --engines 2 [--postgres] [--no-kills]
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { type MortalServer, startPostgres, startRedis } from '../../test/storage/helpers/servers.ts';
import * as figures from './figures.ts';
import type { Plan } from './plan.ts';

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '20000' },
    channels: { type: 'string', default: '1000' },
    processes: { type: 'string', default: '10' },
    engines: { type: 'string', default: '2' },
    /** How long the played engine takes for a picture, ms. */
    picture: { type: 'string', default: '20' },
    /** Pause between two kills, s. */
    pause: { type: 'string', default: '5' },
    /** Of the second part: jobs a second, and for how long, s. */
    rate: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '60' },
    /** Jobs in PostgreSQL too, instead of Redis. */
    postgres: { type: 'boolean', default: false },
    kills: { type: 'boolean', default: true },
  },
  allowNegative: true,
});
const number = (
  name: 'jobs' | 'channels' | 'processes' | 'engines' | 'picture' | 'pause' | 'rate' | 'seconds',
) => Number(values[name]);

const folder = await mkdtemp(join(tmpdir(), 'krona-workers-'));
const notes = join(folder, 'taken');
await mkdir(notes);
const postgres = await startPostgres({ connections: 400 });
const redis = values.postgres ? null : await startRedis(undefined, true);
const env = { ...process.env, DATABASE_URL: postgres.url, ...(redis && { REDIS_URL: redis.url }) };

/** A process that is started again when it was killed. */
class Mortal {
  readonly #start: () => ChildProcess;
  #child: ChildProcess | null = null;

  constructor(start: () => ChildProcess) {
    this.#start = start;
  }

  async begin(): Promise<void> {
    const child = this.#start();
    this.#child = child;
    await Promise.race([once(child, 'message'), once(child, 'exit')]);
  }

  async end(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
}

let lives = 0;
const start = (file: string, args: readonly string[]): ChildProcess =>
  fork(join(import.meta.dirname, file), args, {
    execArgv: ['--import', import.meta.resolve('tsx')],
    env,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
const workers = Array.from(
  { length: number('processes') },
  () =>
    new Mortal(() =>
      start('worker.ts', [folder, values.engines, values.picture, join(notes, `${(lives += 1)}.txt`)]),
    ),
);
const botOf = (plan: Plan, from = 0) =>
  new Mortal(() => start('bot.ts', [folder, JSON.stringify(plan), String(from)]));

/** Asks the database, also when it has just come back. */
async function withDatabase<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  for (;;) {
    const client = new pg.Client({ connectionString: postgres.url });
    client.on('error', () => {});
    try {
      await client.connect();
      return await work(client);
    } catch (error) {
      process.stderr.write(`${String(error)}\n`);
      await sleep(500);
    } finally {
      await client.end().catch(() => {});
    }
  }
}

const open = () => withDatabase((client) => figures.readOpen(client));
const load = () => withDatabase((client) => figures.readLoad(client, redis?.url ?? null));
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const seconds = (from: number): number => (performance.now() - from) / 1000;

const killed = { worker: 0, bot: 0, redis: 0, postgres: 0 };
async function kill(bot: Mortal): Promise<void> {
  const dice = Math.random();
  const crash = async (server: MortalServer, name: 'redis' | 'postgres'): Promise<void> => {
    killed[name] += 1;
    await server.crash();
    await sleep(1000);
    await server.start();
  };
  const again = async (process: Mortal, name: 'worker' | 'bot'): Promise<void> => {
    killed[name] += 1;
    await process.end();
    await process.begin();
  };
  if (dice < 0.1) await crash(postgres, 'postgres');
  else if (dice < 0.2 && redis !== null) await crash(redis, 'redis');
  else if (dice < 0.35) await again(bot, 'bot');
  else {
    const victim = workers[Math.floor(Math.random() * workers.length)];
    if (victim) await again(victim, 'worker');
  }
}

/** Works a backlog off, with kills. */
async function backlog(): Promise<[string, string][]> {
  const plan: Plan = { jobs: number('jobs'), channels: number('channels'), perSecond: null };
  const asking = botOf(plan);
  let from = performance.now();
  await asking.begin();
  while ((await open()).asked < plan.jobs || !(await isRelayed())) await sleep(500);
  const asked = seconds(from);
  await asking.end();
  // This one only moves jobs, and looks for lost ones.
  const bot = botOf(plan, plan.jobs);
  await bot.begin();
  say(`${plan.jobs} jobs in the queue after ${asked.toFixed(0)} s`);
  const before = await load();
  from = performance.now();
  for (const worker of workers) await worker.begin();
  let nextKill = number('pause');
  while ((await open()).open > 0) {
    await sleep(500);
    if (values.kills && seconds(from) > nextKill) {
      await kill(bot);
      nextKill = seconds(from) + number('pause');
    }
  }
  const took = seconds(from);
  // Jobs that a killed worker had could still come to a second end.
  await sleep(20_000);
  const now = await withDatabase((client) => figures.readCounts(client));
  const taking = await figures.readTaking(notes);
  const after = await load();
  const { least, most } = figures.shares(taking, plan.channels);
  await bot.end();
  const perJob = (value: keyof figures.Load) => ((after[value] - before[value]) / plan.jobs).toFixed(1);
  return [
    ['jobs, channels, workers', `${plan.jobs}, ${plan.channels}, ${number('processes') * number('engines')}`],
    ['put into the queue', `${(plan.jobs / asked).toFixed(0)} jobs/s`],
    ['worked off', `${(plan.jobs / took).toFixed(0)} jobs/s, in ${took.toFixed(0)} s`],
    ['kills of workers, bot, Redis, PostgreSQL', Object.values(killed).join(', ')],
    ['lost', String(now.asked - now.done)],
    ['of these failed, and said so', String(now.failed)],
    ['twice, or without a picture', String(now.wrong)],
    ['taken again after a kill or an outage', String(taking.again)],
    ["out of their member's order", String(figures.outOfOrder(taking, plan.channels))],
    ['jobs of a channel while all waited', `${least} to ${most}`],
    [
      'a job: transactions, rows written, Redis commands',
      // A server that crashed counts from 0 again.
      killed.postgres + killed.redis > 0
        ? 'not counted with crashes'
        : `${perJob('transactions')}, ${perJob('rowsWritten')}, ${perJob('redisCommands')}`,
    ],
  ];
}

async function isRelayed(): Promise<boolean> {
  return withDatabase(async (client) => {
    const { rows } = await client.query<{ left: string }>('SELECT count(*) AS left FROM krona.outbox_job');
    return rows[0]?.left === '0';
  });
}

/** Jobs come at a steady rate, and nothing is killed. */
async function steady(): Promise<[string, string][]> {
  const first = number('jobs');
  const more = number('rate') * number('seconds');
  const plan: Plan = { jobs: first + more, channels: number('channels'), perSecond: number('rate') };
  const before = await load();
  const from = performance.now();
  const bot = botOf(plan, first);
  await bot.begin();
  for (let now = await open(); now.asked < plan.jobs || now.open > 0; now = await open()) await sleep(500);
  const took = seconds(from);
  const after = await load();
  const taking = await figures.readTaking(notes);
  const waits = await withDatabase((client) => figures.readWaits(client, taking, first));
  await bot.end();
  const perSecond = (value: keyof figures.Load) => ((after[value] - before[value]) / took).toFixed(0);
  return [
    ['steady: jobs/s', `${(more / took).toFixed(1)} for ${took.toFixed(0)} s`],
    [
      'from request to worker: median, p99, longest',
      [0.5, 0.99, 1].map((share) => `${figures.quantile(waits, share).toFixed(0)} ms`).join(', '),
    ],
    [
      'a second: transactions, rows written, Redis commands',
      `${perSecond('transactions')}, ${perSecond('rowsWritten')}, ${perSecond('redisCommands')}`,
    ],
  ];
}

try {
  const rows = [...(await backlog()), ...(await steady())];
  process.stdout.write(`| what | ${redis === null ? 'PostgreSQL' : 'Redis'} |\n| --- | --- |\n`);
  for (const [what, value] of rows) process.stdout.write(`| ${what} | ${value} |\n`);
} finally {
  await Promise.all(workers.map((worker) => worker.end()));
  await redis?.stop();
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
}
