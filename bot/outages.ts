/**
 * @file Notices when the records or the queue can't be written, and when they can again, and tells administrators in the
 * log and members in the chats: once for each change. Commands that fail meanwhile are answered with the error's code.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Card } from '../commands/card.ts';
import { describeError, KronaError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { repeat } from '../core/retrying.ts';
import type { Storage } from '../storage/open.ts';
import type { Gateway, Outage, Party } from './gateway.ts';
import { RecentMap } from '../core/recent.ts';

/** Pause between looks, ms. */
const LOOK_EVERY = 3_000;
/** Members are told of an outage that lasts so long, ms: a server that restarts is back sooner. */
const LASTING = 9_000;
/** A look without an answer for so long is a failure, ms. */
const PATIENCE = 10_000;
/** Members who asked for something in a channel within this time may wait for Krona, ms. */
const ACTIVE = 3_600_000;
/** Channels of a platform that are told. */
const MOST_TOLD = 50;

export interface OutageParts {
  readonly storage: Pick<Storage, 'records' | 'jobs'>;
  readonly log: Log;
  /** ms */
  readonly lookEvery?: number;
  /** ms */
  readonly lasting?: number;
}

/** Channels in which members asked for something, and when (ms, monotonic). */
type Active = RecentMap<string, { readonly place: Party; readonly at: number }>;
type Told = ReadonlyMap<Gateway, readonly Party[]>;

export class Outages {
  readonly #parts: OutageParts;
  readonly #active = new Map<Gateway, Active>();
  readonly #stopping = new AbortController();
  #running: Promise<void> | null = null;
  /** When the outage began (ms, monotonic); null: there is none. */
  #since: number | null = null;
  /** Where members were told of it; null: nowhere yet. */
  #told: Told | null = null;

  constructor(parts: OutageParts) {
    this.#parts = parts;
  }

  /** Adds a gateway. The returned function notes that a member asked for something in a channel. */
  watch(gateway: Gateway): (place: Party) => void {
    const active: Active = new RecentMap(MOST_TOLD);
    this.#active.set(gateway, active);
    return (place) => active.set(place.externalId, { place, at: performance.now() });
  }

  start(): void {
    const { log, lookEvery = LOOK_EVERY } = this.#parts;
    this.#running = repeat(() => this.#look(), {
      every: lookEvery,
      signal: this.#stopping.signal,
      onError: (error) => log.error({ error }, 'could not look for an outage'),
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #look(): Promise<void> {
    const { log, lasting = LASTING } = this.#parts;
    const failure = await this.#failure();
    if (this.#stopping.signal.aborted) return;
    if (failure === null) {
      this.#since = null;
      const told = this.#told;
      this.#told = null;
      if (told === null) return;
      log.warn({}, 'database and queue work again; members were told');
      return this.#tell({ card: OVER, isOver: true }, told);
    }
    this.#since ??= performance.now();
    if (this.#told !== null || performance.now() - this.#since < lasting) return;
    log.error({ error: failure }, 'database or queue don’t work; members were told');
    this.#told = this.#whereMembersWait();
    await this.#tell({ card: outageCard(failure), isOver: false }, this.#told);
  }

  /** What is wrong with the records or the queue; null: nothing. */
  #failure(): Promise<unknown> {
    const { records, jobs } = this.#parts.storage;
    return Promise.race([Promise.all([records.check(), jobs.check()]), tooLate()]).then(
      () => null,
      (error: unknown) => error,
    );
  }

  #whereMembersWait(): Told {
    const from = performance.now() - ACTIVE;
    const told = [...this.#active].map(([gateway, active]) => {
      const lately = [...active.values()].filter(({ at }) => at > from);
      return [gateway, lately.map(({ place }) => place)] as const;
    });
    return new Map(told);
  }

  async #tell(outage: Outage, told: Told): Promise<void> {
    const { log } = this.#parts;
    for (const [gateway, places] of told)
      await gateway.tellOutage(outage, places).catch((error: unknown) => {
        log.warn({ error, platform: gateway.platform }, 'could not tell members of an outage');
      });
  }
}

async function tooLate(): Promise<never> {
  await sleep(PATIENCE, undefined, { ref: false });
  throw new KronaError(
    'DATABASE_UNAVAILABLE',
    'Database or queue did not answer. Check that they are running.',
    {
      retryable: true,
    },
  );
}

function outageCard(failure: unknown): Card {
  const { code } = describeError(failure);
  const isQueue = code.startsWith('REDIS_');
  return {
    tone: 'error',
    title: isQueue ? "Krona can't reach its queue" : "Krona can't store anything",
    text: [
      isQueue
        ? 'Nothing new is trained or drawn until it is back. Your requests are kept.'
        : 'Commands fail until it can. What was queued before is kept.',
    ],
    fields: [{ name: 'code', value: code }],
  };
}

const OVER: Card = {
  tone: 'success',
  title: 'Krona works again',
  text: ['Queued jobs continue. Send a command again if it failed.'],
};
