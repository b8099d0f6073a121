/** @file Looks at a Redis server: whether it would keep the queue. */
import { Redis } from 'ioredis';
import { ASKED_ONCE, redisUnavailable } from './bullmq-backend.ts';

export interface RedisFacts {
  /** Such as `7.4.1`. */
  readonly version: string;
  /** `maxmemory-policy`; null where the server doesn't tell. BullMQ needs `noeviction`. */
  readonly eviction: string | null;
  /** Whether every change goes to the disk (`appendonly`); null where the server doesn't tell. */
  readonly appends: boolean | null;
  /** Whether it writes snapshots (`save`); null where the server doesn't tell. */
  readonly saves: boolean | null;
}

/** @throws KronaError REDIS_UNAVAILABLE */
export async function inspectRedis(url: string): Promise<RedisFacts> {
  const redis = new Redis(url, ASKED_ONCE);
  redis.on('error', () => {});
  try {
    await redis.connect();
    const version = /^redis_version:(\S+)/m.exec(await redis.info('server'))?.[1] ?? 'unknown';
    // Servers that others run often refuse to tell.
    const setting = async (name: string): Promise<string | null> => {
      const [, value] = (await redis.config('GET', name).catch(() => [])) as string[];
      return value ?? null;
    };
    const eviction = await setting('maxmemory-policy');
    const appends = await setting('appendonly');
    const saves = await setting('save');
    return {
      version,
      eviction,
      appends: appends === null ? null : appends === 'yes',
      saves: saves === null ? null : saves !== '',
    };
  } catch (error) {
    throw redisUnavailable(error);
  } finally {
    redis.disconnect();
  }
}
