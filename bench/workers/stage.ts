/** @file The processes of the simulation: PostgreSQL, Redis, bot and workers, which are killed and started again. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { nodeOptions } from '../../core/own-program.ts';
import { type MortalServer, startPostgres, startRedis } from '../../test/storage/helpers/servers.ts';
import type { Plan } from './plan.ts';

/** A process that is started again when it was killed. */
export class Mortal {
  readonly #start: () => ChildProcess;
  #child: ChildProcess | null = null;

  constructor(start: () => ChildProcess) {
    this.#start = start;
  }

  /** null: it does not run. */
  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  async begin(): Promise<void> {
    const child = this.#start();
    this.#child = child;
    await Promise.race([once(child, 'message'), once(child, 'exit')]);
  }

  async end(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
}

export interface Cast {
  readonly processes: number;
  /** Of each process. */
  readonly engines: number;
  /** How long the played engine takes for a picture, ms. */
  readonly pictureMs: number;
  /** Jobs in Redis, not in PostgreSQL. */
  readonly redis: boolean;
}

export class Stage {
  readonly notes: string;
  readonly workers: readonly Mortal[];
  readonly killed = { worker: 0, bot: 0, redis: 0, postgres: 0 };
  readonly #folder: string;
  readonly #postgres: MortalServer;
  readonly #redis: MortalServer | null;
  #lives = 0;

  private constructor(folder: string, postgres: MortalServer, redis: MortalServer | null, cast: Cast) {
    this.#folder = folder;
    this.notes = join(folder, 'taken');
    this.#postgres = postgres;
    this.#redis = redis;
    this.workers = Array.from({ length: cast.processes }, () => new Mortal(() => this.#worker(cast)));
  }

  static async open(cast: Cast): Promise<Stage> {
    const folder = await mkdtemp(join(tmpdir(), 'krona-workers-'));
    const postgres = await startPostgres({ connections: 400 });
    const redis = cast.redis ? await startRedis(undefined, true) : null;
    const stage = new Stage(folder, postgres, redis, cast);
    await mkdir(stage.notes);
    return stage;
  }

  get redisUrl(): string | null {
    return this.#redis?.url ?? null;
  }

  /** Asks for the plan's jobs from a number on, and moves jobs into the queue. */
  bot(plan: Plan, from: number): Mortal {
    return new Mortal(() => this.#start('bot.ts', [this.#folder, JSON.stringify(plan), String(from)]));
  }

  #worker({ engines, pictureMs }: Cast): ChildProcess {
    this.#lives += 1;
    const notes = join(this.notes, `${this.#lives}.txt`);
    return this.#start('worker.ts', [this.#folder, String(engines), String(pictureMs), notes]);
  }

  #start(file: string, args: readonly string[]): ChildProcess {
    const redis = this.#redis && { REDIS_URL: this.#redis.url };
    return fork(join(import.meta.dirname, file), args, {
      execArgv: [...nodeOptions],
      env: { ...process.env, DATABASE_URL: this.#postgres.url, ...redis },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
  }

  /** Asks the database, also when it has just come back. */
  async withDatabase<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    for (;;) {
      const client = new pg.Client({ connectionString: this.#postgres.url });
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

  /** Kills or crashes one of all, by chance, and starts it again. */
  async kill(bot: Mortal): Promise<void> {
    const dice = Math.random();
    if (dice < 0.1) await this.#crash(this.#postgres, 'postgres');
    else if (dice < 0.2 && this.#redis !== null) await this.#crash(this.#redis, 'redis');
    else if (dice < 0.35) await this.#again(bot, 'bot');
    else {
      const victim = this.workers[Math.floor(Math.random() * this.workers.length)];
      if (victim) await this.#again(victim, 'worker');
    }
  }

  async #crash(server: MortalServer, name: 'redis' | 'postgres'): Promise<void> {
    this.killed[name] += 1;
    await server.crash();
    await sleep(1000);
    await server.start();
  }

  async #again(process: Mortal, name: 'worker' | 'bot'): Promise<void> {
    this.killed[name] += 1;
    await process.end();
    await process.begin();
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.end()));
    await this.#redis?.stop();
    await this.#postgres.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
