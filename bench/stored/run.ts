/**
 * @file How fast usual requests are with much in storage: the same through the same code on an empty database and on a full
 * one, in turn. Prints first quartiles and ratios,
 * and each statement's time in the full one that takes longer.
 *
 *   npx tsx bench/stored/run.ts --sets 100000 --pictures 10 --channels 200 [--embedded] [--largest] [--times 15]
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { callCommand, parseCommandLine } from '../../commands/index.ts';
import type { CommandContext } from '../../commands/contract.ts';
import { recordReaction } from '../../commands/votes/react.ts';
import { type Config, readConfig } from '../../core/config.ts';
import type { Channel, Member } from '../../core/records.ts';
import { DEFAULT_SETTINGS } from '../../core/settings/defaults.ts';
import { embeddedDatabaseUrl, startEmbeddedDatabase } from '../../storage/embedded/database.ts';
import { openStorage, type Storage } from '../../storage/open.ts';
import { startPostgres } from '../../test/storage/helpers/servers.ts';
import { quantile } from '../workers/figures.ts';
import { fill } from './fill.ts';

const { values } = parseArgs({
  options: {
    sets: { type: 'string', default: '100000' },
    pictures: { type: 'string', default: '10' },
    channels: { type: 'string', default: '200' },
    /** Only requests with this in their names. */
    only: { type: 'string', default: '' },
    times: { type: 'string', default: '20' },
    embedded: { type: 'boolean', default: false },
    /** Address of a PostgreSQL database that an earlier run has filled. */
    filled: { type: 'string' },
    /** Ask in the channel that has a fifth of everything, not in one of the others. */
    largest: { type: 'boolean', default: false },
  },
});
const amount = {
  sets: Number(values.sets),
  pictures: Number(values.pictures),
  channels: Number(values.channels),
};
/** The first quartile: other programs on the machine only make times longer. */
const fastest = (times: readonly number[]): number =>
  quantile(
    times.toSorted((one, other) => one - other),
    0.25,
  );
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const folder = await mkdtemp(join(tmpdir(), 'krona-stored-'));

interface Place {
  readonly storage: Storage;
  readonly context: CommandContext;
  readonly channel: Channel;
  readonly member: Member;
  /** Times of operations of the records, by name, ms. */
  readonly spent: Map<string, number[]>;
  close(): Promise<void>;
}

/** Notes how long each operation of the records takes. */
function timed<T extends object>(records: T, spent: Map<string, number[]>): T {
  return new Proxy(records, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return async (...given: unknown[]) => {
        const began = performance.now();
        try {
          const asked =
            name === 'transaction'
              ? [(within: object) => (given[0] as (of: object) => unknown)(timed(within, spent))]
              : given;
          return await (Reflect.apply(value, target, asked) as Promise<unknown>);
        } finally {
          const took = performance.now() - began;
          spent.set(String(name), [...(spent.get(String(name)) ?? []), took]);
        }
      };
    },
  });
}

async function open(name: string, full: boolean): Promise<Place> {
  const dataFolder = join(folder, name);
  const filled = full ? values.filled : undefined;
  const server = values.embedded || filled !== undefined ? null : await startPostgres();
  const url = filled ?? server?.url;
  const base = { KRONA_DATA: dataFolder, ...(url !== undefined && { DATABASE_URL: url }) };
  const config: Config = await readConfig(base);
  const embedded = values.embedded ? await startEmbeddedDatabase(config) : null;
  const began = performance.now();
  const storage = await openStorage(config);
  say(`opened in ${((performance.now() - began) / 1000).toFixed(0)} s`);
  const spent = new Map<string, number[]>();
  const member = await storage.records.member('web', 'Mia', 'Mia');
  let channel = await storage.records.channel('web', 'general', 'general');
  if (full && filled === undefined) {
    const began = performance.now();
    await fill(url ?? (await embeddedDatabaseUrl(config)), amount, {
      channelId: channel.id,
      memberId: member.id,
      settings: DEFAULT_SETTINGS,
    });
    say(`filled in ${((performance.now() - began) / 1000).toFixed(0)} s`);
  }
  if (full) {
    if (!values.largest) channel = await storage.records.channel('web', 'channel 7', 'channel 7');
  } else
    await storage.records.addSubject({
      id: randomUUID(),
      channelId: channel.id,
      name: 'mochi',
      className: 'cat',
      token: 'zqkv',
      ownerId: member.id,
    });
  const records = timed(storage.records, spent);
  return {
    ...{ storage, channel, member, spent },
    context: { records, blobs: storage.blobs, jobs: storage.jobs },
    async close() {
      await storage.close();
      await embedded?.close();
      await server?.stop();
    },
  };
}

const command =
  (line: string) =>
  async ({ context, channel, member }: Place): Promise<unknown> => {
    const { name, action, options } = parseCommandLine(line);
    const asked = { channel, member, moderator: false, roles: [], action, options, attachments: [] };
    return callCommand(name, asked, context);
  };

/** A set with a picture, new for each vote. */
async function drawn({
  storage: { records },
  channel,
  member,
}: Place): Promise<{ setId: string; pictureId: string }> {
  const [setId, pictureId] = [randomUUID(), randomUUID()];
  const [subject] = await records.subjects(channel.id);
  await records.addSet({
    ...{
      id: setId,
      channelId: channel.id,
      memberId: member.id,
      kind: 'imagine',
      runId: null,
      subjectId: subject?.id ?? null,
    },
    ...{ prompt: 'a fox', negative: null, seed: 1, count: 1, strength: 1, settings: DEFAULT_SETTINGS },
    ...{ adapterId: null, state: 'done' },
  });
  const size = { width: 64, height: 64, size: 1000 };
  await records.addPicture({
    id: pictureId,
    setId,
    index: 0,
    blobHash: 'a'.repeat(64),
    seed: 1,
    adapterId: null,
    ...size,
  });
  return { setId, pictureId };
}

const OVERVIEW = ['openWorkOfAll', 'endedWorkOfAll', 'channelsOfAll', 'auditOfAll'] as const;

/** What is asked; work before the clock starts is a pair's first. */
const REQUESTS: Readonly<Record<string, (place: Place) => Promise<() => Promise<unknown>>>> = {
  '`/krona imagine`': async (place) => () => command('/krona imagine a red fox')(place),
  'look for messages to update (4 a second)':
    async ({ context: { records } }) =>
    () =>
      records.stalePosts('web', 200),
  'update of a message': async (place) => {
    const { setId } = await drawn(place);
    const id = randomUUID();
    await place.storage.records.addPost({ id, channelId: place.channel.id, kind: 'set', targetId: setId });
    return async () => {
      await place.context.records.updateSet(setId, {
        progress: { step: 1, steps: 2, secondsLeft: 1, phase: 'drawing' },
      });
      const stale = await place.context.records.stalePosts('web', 200);
      for (const post of stale) await place.context.records.markPost(post.id, `message ${post.id}`, 2 ** 40);
    };
  },
  'a vote': async (place) => {
    const voter = await place.storage.records.member('web', 'Ben', 'Ben');
    const picture = await drawn(place);
    return () => recordReaction({ ...picture, memberId: voter.id, emoji: '❤️', added: true }, place.context);
  },
  'a reaction’s message':
    async ({ context: { records }, channel }) =>
    () =>
      records.postByMessage(channel.id, 'unknown'),
  '`/krona top`': async (place) => () => command('/krona top')(place),
  'the gallery':
    async ({ context: { records }, channel }) =>
    () =>
      records.gallery(
        { channelId: channel.id, words: [], subjectId: null, memberId: null, likes: 0 },
        { before: null, after: null },
        40,
      ),
  '`/krona gallery fox`': async (place) => () => command('/krona gallery fox')(place).catch(() => null),
  '`/krona queue`': async (place) => () => command('/krona queue show')(place),
  '`/krona adapters list`': async (place) => () => command('/krona adapters list')(place).catch(() => null),
  'lines of a page':
    async ({ context: { records }, channel }) =>
    () =>
      records.lines(channel.id, 0, 60),
  'earlier lines':
    async ({ context: { records }, channel }) =>
    () =>
      records.linesBefore(channel.id, 2 ** 40, 200),
  'storage quota':
    async ({ context: { records }, channel, member }) =>
    async () => {
      await records.storedBytes({ channelId: channel.id, reach: 'channel', memberId: member.id });
      await records.storedBytes({ channelId: channel.id, reach: 'all' });
    },
  'picture quota':
    async ({ context: { records }, channel }) =>
    () =>
      records.usage(channel.id, 'channel', 'imagine', 24 * 3600),
  'the administrator’s page':
    async ({ context: { records } }) =>
    async () => {
      for (const name of OVERVIEW) await records[name](100);
      await records.storedBytesInAll();
    },
  'start of a bot':
    async ({ context: { records } }) =>
    () =>
      records.recentPosts('web', 200),
  metrics:
    async ({ context: { records } }) =>
    () =>
      records.workload(),
  'look for lost jobs':
    async ({ context: { records } }) =>
    () =>
      records.openJobs(),
};

async function once(place: Place, name: string): Promise<number> {
  const work = await REQUESTS[name]?.(place);
  const began = performance.now();
  await work?.();
  return performance.now() - began;
}

const places: Place[] = [];
try {
  const empty = await open('empty', false);
  places.push(empty);
  const full = await open('full', true);
  places.push(full);
  process.stdout.write('| request | empty | full | ratio |\n| --- | --- | --- | --- |\n');
  for (const name of Object.keys(REQUESTS).filter((each) => each.includes(values.only))) {
    const times = { empty: [] as number[], full: [] as number[] };
    for (const place of places) await once(place, name);
    for (const place of places) place.spent.clear();
    for (let n = 0; n < Number(values.times); n += 1) {
      times.empty.push(await once(empty, name));
      times.full.push(await once(full, name));
    }
    const [before, after] = [fastest(times.empty), fastest(times.full)];
    process.stdout.write(
      `| ${name} | ${before.toFixed(1)} ms | ${after.toFixed(1)} ms | ${(after / before).toFixed(2)} |\n`,
    );
    if (after < 1.5 * before) continue;
    for (const [operation, spent] of full.spent) {
      const other = fastest(empty.spent.get(operation) ?? [0]);
      if (fastest(spent) > 1.5 * other)
        say(`    ${operation}: ${other.toFixed(1)} → ${fastest(spent).toFixed(1)} ms`);
    }
  }
} finally {
  for (const place of places) await place.close();
  await rm(folder, { recursive: true, force: true });
}
