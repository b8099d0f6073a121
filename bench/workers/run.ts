/**
 * @file Many workers at once: real bot, workers, PostgreSQL and Redis in processes of this machine, with engines that are
 * played. In each round, a backlog of jobs is worked off while processes are killed and servers crash. Then one without
 * kills shows the ceiling, and last, jobs come at a steady rate, and their waits are measured. Prints tables;
 * docs/operation.md has the published ones.
 *
 *   npx tsx bench/workers/run.ts --jobs 14000 --rounds 7 --channels 1000 [--postgres] [--no-kills]
 *
 * With `--out FILE`, each round is noted there as it ends; the same command then goes on with the rounds that are missing,
 * and `--until 21:30` begins no round after that time (UTC).
 */
import { appendFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { readFileIfAny } from '../../core/files.ts';
import * as figures from './figures.ts';
import type { Plan } from './plan.ts';
import { type Processor, readProcessor } from './processor.ts';
import { roundsTable, type Round } from './rounds.ts';
import { type Mortal, Stage } from './stage.ts';

const { values } = parseArgs({
  options: {
    /** Of a round. */
    jobs: { type: 'string', default: '20000' },
    rounds: { type: 'string', default: '1' },
    channels: { type: 'string', default: '1000' },
    processes: { type: 'string', default: '10' },
    engines: { type: 'string', default: '2' },
    /** How long the played engine takes for a picture, ms. */
    picture: { type: 'string', default: '20' },
    /** Pause between two kills, s. */
    pause: { type: 'string', default: '5' },
    /** Of the last parts: jobs of the ceiling; jobs a second, and for how long, s. */
    ceiling: { type: 'string', default: '2000' },
    rate: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '60' },
    /** Jobs in PostgreSQL too, instead of Redis. */
    postgres: { type: 'boolean', default: false },
    kills: { type: 'boolean', default: true },
    out: { type: 'string' },
    until: { type: 'string', default: '' },
  },
  allowNegative: true,
});
const number = (name: Exclude<keyof typeof values, 'postgres' | 'kills' | 'out' | 'until'>) =>
  Number(values[name]);
const say = (line: string): void =>
  void process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
const seconds = (from: number): number => (performance.now() - from) / 1000;
const isLate = (): boolean => values.until !== '' && new Date().toISOString().slice(11, 16) >= values.until;

const stage = await Stage.open({
  processes: number('processes'),
  engines: number('engines'),
  pictureMs: number('picture'),
  redis: !values.postgres,
});
const channels = number('channels');
const open = () => stage.withDatabase((client) => figures.readOpen(client));
const load = () => stage.withDatabase((client) => figures.readLoad(client, stage.redisUrl));
/** Jobs that were asked for so far. */
let asked = 0;

const isRelayed = () =>
  stage.withDatabase(async (client) => {
    const { rows } = await client.query<{ left: string }>('SELECT count(*) AS left FROM krona.outbox_job');
    return rows[0]?.left === '0';
  });

/** Puts jobs into the queue, with no worker. @returns a bot that only moves jobs, and how long it took, s */
async function fill(jobs: number): Promise<{ bot: Mortal; filled: number }> {
  const plan: Plan = { jobs: asked + jobs, channels, perSecond: null };
  const asking = stage.bot(plan, asked);
  const from = performance.now();
  await asking.begin();
  while ((await open()).asked < plan.jobs || !(await isRelayed())) await sleep(1000);
  const filled = seconds(from);
  await asking.end();
  asked = plan.jobs;
  const bot = stage.bot(plan, plan.jobs);
  await bot.begin();
  return { bot, filled };
}

/** Works a backlog off, with kills. */
async function round(): Promise<Round> {
  const first = asked;
  const before = { ...stage.killed };
  const { bot, filled } = await fill(number('jobs'));
  say(`${number('jobs')} jobs in the queue after ${filled.toFixed(0)} s`);
  const from = performance.now();
  await Promise.all(stage.workers.map((worker) => worker.begin()));
  let nextKill = number('pause');
  for (let now = await open(); now.open > 0; now = await open()) {
    await sleep(1000);
    if (!values.kills || seconds(from) < nextKill) continue;
    await stage.kill(bot);
    nextKill = seconds(from) + number('pause');
  }
  const took = seconds(from);
  // Jobs that a killed worker had could still come to a second end.
  await sleep(20_000);
  await Promise.all(stage.workers.map((worker) => worker.end()));
  await bot.end();
  const taking = figures.since(await figures.readTaking(stage.notes), first);
  const { done, failed, wrong } = await stage.withDatabase((client) => figures.readCounts(client, first));
  const { killed } = stage;
  return {
    ...{ jobs: number('jobs'), channels, workers: number('processes') * number('engines'), filled, took },
    kills: {
      worker: killed.worker - before.worker,
      bot: killed.bot - before.bot,
      redis: killed.redis - before.redis,
      postgres: killed.postgres - before.postgres,
    },
    ...{ lost: number('jobs') - done, failed, wrong, again: taking.again },
    ...figures.disorder(taking, channels),
    ...figures.shares(taking, channels),
  };
}

/** What a job costs, by process. */
function costs(before: Processor, after: Processor, jobs: number, took: number): [string, string][] {
  const roles = ['workers', 'PostgreSQL', 'Redis', 'bot'] as const;
  const each = roles.map((role) => `${role} ${(((after[role] - before[role]) / jobs) * 1000).toFixed(1)} ms`);
  const all = roles.reduce((sum, role) => sum + after[role] - before[role], 0);
  return [
    ['processor time of a job', each.join(', ')],
    [
      'cores used: by these, by the whole machine',
      `${(all / took).toFixed(2)}, ${((after.machine - before.machine) / took).toFixed(2)}`,
    ],
  ];
}

/** A backlog without kills: how fast it can be. */
async function ceiling(): Promise<[string, string][]> {
  const jobs = number('ceiling');
  if (jobs === 0) return [];
  const { bot } = await fill(jobs);
  await Promise.all(stage.workers.map((worker) => worker.begin()));
  const [before, processor, from] = [await load(), await readProcessor(), performance.now()];
  const left = (await open()).open;
  while ((await open()).open > 0) await sleep(200);
  const took = seconds(from);
  const [after, used] = [await load(), await readProcessor()];
  await Promise.all(stage.workers.map((worker) => worker.end()));
  await bot.end();
  const perJob = (value: keyof figures.Load) => ((after[value] - before[value]) / left).toFixed(1);
  return [
    ['ceiling: jobs/s', `${(left / took).toFixed(1)}, ${left} jobs in ${took.toFixed(0)} s`],
    [
      'a job: transactions, rows written, Redis commands',
      `${perJob('transactions')}, ${perJob('rowsWritten')}, ${perJob('redisCommands')}`,
    ],
    ...costs(processor, used, left, took),
  ];
}

/** Jobs come at a steady rate, and nothing is killed. */
async function steady(): Promise<[string, string][]> {
  const more = number('rate') * number('seconds');
  if (more === 0) return [];
  const first = asked;
  const plan: Plan = { jobs: first + more, channels, perSecond: number('rate') };
  await Promise.all(stage.workers.map((worker) => worker.begin()));
  const [before, processor, from] = [await load(), await readProcessor(), performance.now()];
  const bot = stage.bot(plan, first);
  await bot.begin();
  for (let now = await open(); now.asked < plan.jobs || now.open > 0; now = await open()) await sleep(500);
  const took = seconds(from);
  const [after, used] = [await load(), await readProcessor()];
  const taking = await figures.readTaking(stage.notes);
  const waits = await stage.withDatabase((client) => figures.readWaits(client, taking, first));
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
    ...costs(processor, used, more, took),
  ];
}

try {
  const noted = values.out === undefined ? '' : ((await readFileIfAny(values.out)) ?? '');
  const rounds = noted.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Round]));
  while (rounds.length < number('rounds') && !isLate()) {
    const done = await round();
    rounds.push(done);
    say(JSON.stringify(done));
    if (values.out !== undefined) await appendFile(values.out, `${JSON.stringify(done)}\n`);
  }
  const rows = [...roundsTable(rounds), ...(await ceiling()), ...(await steady())];
  process.stdout.write(`| what | ${values.postgres ? 'PostgreSQL' : 'Redis'} |\n| --- | --- |\n`);
  for (const [what, value] of rows) process.stdout.write(`| ${what} | ${value} |\n`);
  if (rounds.length < number('rounds'))
    process.stdout.write(
      `\n${number('rounds') - rounds.length} rounds are missing: give the command again.\n`,
    );
} finally {
  await stage.close();
}
