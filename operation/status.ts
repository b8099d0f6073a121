/** @file Starts what monitoring asks a process, where KRONA_STATUS_PORT is set. */
import type { Config } from '../core/config.ts';
import type { Log } from '../core/log.ts';
import { info } from '../core/metrics.ts';
import { version } from '../core/package.ts';
import type { Storage } from '../storage/open.ts';
import { collectDisk } from './collect.ts';
import { storageChecks, type Check } from './readiness.ts';
import { serveStatus, type StatusServer } from './status-server.ts';

export interface ProcessStatus {
  readonly storage: Storage;
  readonly config: Pick<Config, 'status' | 'dataFolder'>;
  readonly log: Log;
  /** Of parts that only this process has. */
  readonly checks: Readonly<Record<string, Check>>;
  /** Brings gauges up to date that only this process has. */
  readonly collect: () => Promise<void>;
  /** What the worker draws with, and on what. */
  readonly computes?: { readonly model: string; readonly device: string };
}

/** @returns null where no port is set @throws KronaError KRONA_STATUS_PORT_TAKEN */
export async function startStatus(
  part: 'bot' | 'worker',
  { storage, config, log, checks, collect, computes = { model: '', device: '' } }: ProcessStatus,
): Promise<StatusServer | null> {
  if (config.status === null) return null;
  info.set({ part, version, ...computes }, 1);
  return serveStatus(config.status, {
    checks: { ...storageChecks(storage), ...checks },
    async collect() {
      await collectDisk(config.dataFolder);
      // Its own checks say that the database is away; the other figures are still wanted then.
      await collect().catch((error: unknown) => log.warn({ error }, 'could not read figures for monitoring'));
    },
    log,
  });
}
