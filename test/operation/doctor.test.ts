/** `krona doctor`: what it finds, and that it never tells a secret. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import type { Finding } from '../../cli/doctor/finding.ts';
import { redisFindings } from '../../cli/doctor/storage.ts';
import { runsOnNode } from '../../core/package.ts';
import { inspectRedis } from '../../storage/jobs/inspect-redis.ts';
import { krona, TINY } from '../cli/run-krona.ts';
import { type FakeDiscord, startFakeDiscord } from '../fakes/discord/fake-discord.ts';
import { FakeSlack } from '../fakes/slack/fake-slack.ts';
import { openHouse, type TestHouse } from '../helpers/house.ts';
import { hasRedis, startRedis } from '../storage/helpers/servers.ts';

let house: TestHouse;
let folder: string;
let discord: FakeDiscord;
let slack: FakeSlack;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-doctor-'));
  house = await openHouse();
  [discord, slack] = await Promise.all([startFakeDiscord(), FakeSlack.start()]);
});
afterEach(() => vi.unstubAllEnvs());
afterAll(async () => {
  await Promise.all([discord.stop(), slack.stop()]);
  await house.close();
  await rm(folder, { recursive: true });
});

interface Report {
  readonly code: number | null;
  readonly findings: readonly Finding[];
  readonly text: string;
}

async function doctor(environment: Readonly<Record<string, string>>, ...words: string[]): Promise<Report> {
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  const { code, stdout } = await krona('doctor', '--json', ...words);
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  return { code, findings, text: stdout };
}

const of = (report: Report, part: string) =>
  report.findings.filter((each) => each.part === part).map(({ state, text }) => `${state}: ${text}`);

it('finds nothing wrong with an installation that runs', async () => {
  const report = await doctor({
    KRONA_DATA: house.config.dataFolder,
    KRONA_PORT: '0',
    KRONA_MODEL: TINY,
    KRONA_DEVICE: 'cpu',
  });
  expect(report.findings.filter(({ state }) => state === 'error')).toEqual([]);
  expect(report.code).toBe(0);
  expect(of(report, 'database')).toEqual([expect.stringMatching(/^ok: embedded, PostgreSQL \d+/)]);
  expect(of(report, 'clock')).toEqual(['ok: agrees with the database’s']);
  expect(of(report, 'blobs')).toEqual(['ok: in a folder; written, read, listed and deleted']);
  expect(of(report, 'device')).toEqual(['ok: cpu']);
  expect(of(report, 'model')).toEqual([expect.stringContaining('ok: model, ')]);
  const { stdout } = await krona('doctor', '--no-engine');
  expect(stdout).toMatch(/^ok +versions +Krona .*\n/);
});

it('names what is wrong, in words and by its exit code, and tells no secret', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await vi.waitFor(() => expect(other.address()).not.toBeNull());
  const { port } = other.address() as AddressInfo;
  const open = join(folder, 'open');
  await rm(open, { recursive: true, force: true });
  const data = await mkdtemp(join(folder, 'data-'));
  await chmod(data, 0o755);
  const forms = await mkdtemp(join(folder, 'forms-'));
  await chmod(forms, 0o777);
  const report = await doctor({
    KRONA_DATA: data,
    KRONA_PORT: String(port),
    KRONA_PROT: 'hush',
    KRONA_FORMS: forms,
    KRONA_MODEL: join(folder, 'nowhere'),
    KRONA_DEVICE: 'cpu',
    DATABASE_URL: 'postgres://krona:hush@127.0.0.1:1/krona',
    REDIS_URL: 'redis://:hush@127.0.0.1:1',
  });
  other.close();
  expect(report.code).toBe(1);
  expect(of(report, 'variables')).toContain(
    'warning: Krona does not know KRONA_PROT. Did you mean “KRONA_PORT”?',
  );
  expect(of(report, 'data folder')).toEqual([expect.stringMatching(/^warning: Other users/)]);
  expect(of(report, 'compiled programs')).toEqual([expect.stringMatching(/^warning: Others can write/)]);
  expect(of(report, 'ports')).toEqual([expect.stringContaining('error: KRONA_PORT: another program')]);
  expect(of(report, 'database')).toEqual([expect.stringContaining('error: DATABASE_UNAVAILABLE')]);
  expect(of(report, 'queue')).toEqual([expect.stringContaining('error: REDIS_UNAVAILABLE')]);
  expect(of(report, 'model')).toEqual([expect.stringContaining('error: ')]);
  expect(report.text).not.toContain('hush');
});

it('says what is invalid in the configuration, and looks no further', async () => {
  const report = await doctor({ KRONA_DATA: folder, KRONA_DEVICE: 'abacus' });
  expect(report.code).toBe(1);
  expect(of(report, 'configuration')).toEqual([expect.stringContaining('error: KRONA_DEVICE_INVALID')]);
  expect(of(report, 'database')).toEqual([]);
});

it('asks Discord and Slack about the tokens', async () => {
  const config = await discord.config();
  const { botToken, appToken, api } = slack.config();
  const environment = {
    KRONA_DATA: house.config.dataFolder,
    KRONA_PORT: '0',
    DISCORD_TOKEN: config.token,
    KRONA_DISCORD_API: config.api!,
    SLACK_BOT_TOKEN: botToken,
    SLACK_APP_TOKEN: appToken!,
    KRONA_SLACK_API: api!,
  };
  const unregistered = await doctor(environment, '--no-engine');
  expect(of(unregistered, 'discord')).toEqual([
    expect.stringContaining('error: The token of Krona works, but no'),
  ]);
  expect((await krona('discord', 'register')).code).toBe(0);
  const report = await doctor(environment, '--no-engine');
  expect(of(report, 'discord')).toEqual([
    expect.stringMatching(/^ok: the token of Krona works, \d commands$/),
  ]);
  expect(of(report, 'slack').join()).toMatch(/^(ok|warning): /);
  for (const token of [config.token, botToken, appToken!]) expect(report.text).not.toContain(token);
  const wrong = await doctor(
    { ...environment, DISCORD_TOKEN: 'wrong.token', SLACK_BOT_TOKEN: 'xoxb-wrong' },
    '--no-engine',
  );
  expect(of(wrong, 'discord')).toEqual([expect.stringContaining('error: DISCORD_TOKEN_INVALID')]);
  expect(of(wrong, 'slack')).toEqual([expect.stringContaining('error: SLACK_TOKEN_INVALID')]);
});

it.skipIf(!hasRedis)('reads how a Redis server keeps its jobs', async () => {
  const server = await startRedis();
  const facts = await inspectRedis(server.url);
  await server.stop();
  expect(facts).toMatchObject({ eviction: 'noeviction', appends: false, saves: false });
  expect(redisFindings(facts)).toEqual([expect.objectContaining({ state: 'warning' })]);
  expect(redisFindings({ ...facts, appends: true })).toEqual([expect.objectContaining({ state: 'ok' })]);
  expect(redisFindings({ ...facts, appends: true, eviction: 'allkeys-lru' })).toEqual([
    expect.objectContaining({ state: 'error', text: expect.stringContaining('noeviction') as string }),
  ]);
});

it('knows the versions of Node that Krona runs on', () => {
  const given = ['20.18.9', '20.19.0', '21.9.0', '22.17.1', '22.18.0', '23.5.0', '24.0.0', '25.1.0'];
  expect(given.filter((version) => runsOnNode(version))).toEqual(['20.19.0', '22.18.0', '24.0.0', '25.1.0']);
});
