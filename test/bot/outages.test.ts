/** A lost database or queue: members and administrators are told once, and once more when it is back. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Log } from '../../core/log.ts';
import { KronaError } from '../../core/errors.ts';
import { Outages } from '../../bot/outages.ts';
import type { Storage } from '../../storage/open.ts';
import { FakeGateway, FakePlatform } from '../helpers/fake-gateway.ts';
import { until } from '../helpers/until.ts';

const pets = { externalId: 'pets', name: 'pets' };
let platform: FakePlatform;
let logged: string[];
let failure: KronaError | null;
let looks: number;
let outages: Outages;

beforeEach(() => {
  platform = new FakePlatform();
  logged = [];
  failure = null;
  looks = 0;
});
afterEach(() => outages.stop());

/** @param lasting - how long an outage must last before it is told, ms */
function start(lasting: number): void {
  const note = (_: object, message: string) => void logged.push(message);
  const log: Log = { info: note, warn: note, error: note };
  const check = async () => {
    looks += 1;
    if (failure !== null) throw failure;
  };
  const storage = { records: { check }, jobs: { check: async () => {} } } as unknown as Storage;
  outages = new Outages({ storage, log, lookEvery: 1, lasting });
  outages.watch(new FakeGateway(platform))(pets);
  outages.start();
}

const looked = async (times: number) => {
  const from = looks;
  await until(() => looks >= from + times, 'looks');
};

it.each([
  ['DATABASE_UNAVAILABLE', "Krona can't store anything"],
  ['DATABASE_READ_ONLY', "Krona can't store anything"],
  ['REDIS_UNAVAILABLE', "Krona can't reach its queue"],
])('%s is told once where members asked for something, and its end', async (code, title) => {
  start(0);
  for (const round of [1, 2]) {
    failure = KronaError.reported({ code, message: 'Lost.' });
    await until(() => platform.outages.length === 2 * round - 1, 'the outage told');
    await looked(10);
    failure = null;
    await until(() => platform.outages.length === 2 * round, 'the end told');
    await looked(10);
  }
  expect(platform.outages).toEqual([
    `pets: ${title}`,
    'pets: Krona works again',
    `pets: ${title}`,
    'pets: Krona works again',
  ]);
  expect(logged).toHaveLength(4);
});

it('nobody is told of a short one', async () => {
  start(3_600_000);
  failure = KronaError.reported({ code: 'DATABASE_UNAVAILABLE', message: 'Lost.' });
  await looked(10);
  failure = null;
  await looked(10);
  expect([...platform.outages, ...logged]).toEqual([]);
});
