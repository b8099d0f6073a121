/** @file Configuration from the environment. */
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Socket } from 'node:net';
import { addressOf } from '../../bot/client-address.ts';
import { readConfig } from '../../core/config.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-test-'));
});
afterEach(() => rm(folder, { recursive: true }));

it('needs no variables', async () => {
  expect(await readConfig({ KRONA_DATA: folder, DATABASE_URL: '' })).toMatchObject({
    databaseUrl: null,
    redisUrl: null,
    dataFolder: folder,
    blobs: { kind: 'folder', folder: join(folder, 'blobs') },
    bucketAccess: { endpoint: null, region: null, keys: null },
    blobLinks: 'proxied',
    modelPath: resolve('models/krona-emoji'),
    refinerPath: null,
    devices: [{ kind: null, card: null }],
    host: '127.0.0.1',
    port: 7860,
    publicUrl: null,
  });
});

it('reads the variables', async () => {
  const config = await readConfig({
    KRONA_DATA: folder,
    DATABASE_URL: 'postgres://krona:pw@db.example.org/krona',
    REDIS_URL: 'rediss://:pw@redis.example.org:6380/1',
    KRONA_BLOBS: 's3://krona.example/some/where/',
    KRONA_BLOB_LINKS: 'presigned',
    AWS_ACCESS_KEY_ID: 'id',
    AWS_SECRET_ACCESS_KEY: 'secret',
    AWS_SESSION_TOKEN: 'token',
    AWS_REGION: 'eu-north-1',
    AWS_ENDPOINT_URL: 'https://all.example.org',
    AWS_ENDPOINT_URL_S3: 'https://s3.example.org',
    KRONA_MODEL: '/models/sdxl',
    KRONA_REFINER: '/models/sdxl-refiner',
    KRONA_SPEED: '/models/speed',
    KRONA_DEVICE: 'cuda:0,cuda:1',
    KRONA_HOST: '0.0.0.0',
    KRONA_PORT: '0',
    KRONA_URL: 'https://krona.example.org/chat/',
    KRONA_SECRET: 'sixteen letters!',
    KRONA_MODERATOR_KEY: 'sixteen letters too',
    KRONA_ACCESS_KEY: 'the-key-of-mia-long, the-key-of-ben-long',
    KRONA_TRUSTED_PROXIES: '10.0.0.2, fd00::/8',
    KRONA_STATUS_PORT: '9100',
    KRONA_WEBHOOK_ORIGINS: 'https://hooks.example.org, http://10.0.0.7:8080/',
  });
  expect(config).toEqual({
    databaseUrl: 'postgres://krona:pw@db.example.org/krona',
    redisUrl: 'rediss://:pw@redis.example.org:6380/1',
    dataFolder: folder,
    blobs: { kind: 'bucket', bucket: 'krona.example', prefix: 'some/where/' },
    blobLinks: 'presigned',
    bucketAccess: {
      endpoint: 'https://s3.example.org',
      region: 'eu-north-1',
      keys: { accessKeyId: 'id', secretAccessKey: 'secret', sessionToken: 'token' },
    },
    modelPath: '/models/sdxl',
    refinerPath: '/models/sdxl-refiner',
    speedPath: '/models/speed',
    devices: [
      { kind: 'cuda', card: 0 },
      { kind: 'cuda', card: 1 },
    ],
    host: '0.0.0.0',
    port: 0,
    publicUrl: 'https://krona.example.org/chat',
    secret: 'sixteen letters!',
    webAccess: expect.objectContaining({
      local: false,
      keyNeeded: true,
      keys: ['the-key-of-mia-long', 'the-key-of-ben-long'],
      moderatorKey: 'sixteen letters too',
    }) as unknown,
    status: { host: '127.0.0.1', port: 9100 },
    webhookOrigins: ['https://hooks.example.org', 'http://10.0.0.7:8080'],
    discord: null,
    slack: null,
  });
});

it('makes a secret once, readable only by this user, also with several processes', async () => {
  const configs = await Promise.all([1, 2, 3].map(() => readConfig({ KRONA_DATA: join(folder, 'new') })));
  expect(new Set(configs.map(({ secret }) => secret)).size).toBe(1);
  expect(configs[0]!.secret.length).toBeGreaterThanOrEqual(32);
  expect((await stat(join(folder, 'new/secret'))).mode & 0o777).toBe(0o600);
  expect((await readConfig({ KRONA_DATA: join(folder, 'new') })).secret).toBe(configs[0]!.secret);
});

it('says when the data folder cannot be written', async () => {
  await writeFile(join(folder, 'file'), '');
  await expect(readConfig({ KRONA_DATA: join(folder, 'file/data') })).rejects.toMatchObject({
    code: 'FILE_UNWRITABLE',
  });
});

it('names a wrong variable without repeating its value', async () => {
  await writeFile(join(folder, 'secret'), '');
  const wrong: [string, string][] = [
    ['DATABASE_URL', 'mysql://root:topsecret@host/db'],
    ['DATABASE_URL', 'topsecret'],
    ['REDIS_URL', 'http://:topsecret@host'],
    ['KRONA_URL', 'ftp://topsecret'],
    ['KRONA_DEVICE', 'abacus'],
    ['KRONA_DEVICE', 'cpu:1'],
    ['KRONA_DEVICE', 'cuda,cuda:x'],
    ['KRONA_PORT', '70000'],
    ['KRONA_PORT', '80a'],
    ['KRONA_PORT', '-1'],
    ['KRONA_SECRET', 'topsecret'],
    ['KRONA_SECRET', ''],
  ];
  for (const [name, value] of wrong) {
    const reading = readConfig({ KRONA_DATA: folder, KRONA_SECRET: 'sixteen letters!', [name]: value });
    const error = await reading.catch((caught: unknown) => caught);
    expect([name, value, error]).toMatchObject([
      name,
      value,
      { name: 'KronaError', code: `${name}_INVALID` },
    ]);
    expect((error as Error).message).not.toContain('topsecret');
  }
});

it.each([
  ['this machine', {}, true, false],
  ['another address of this machine', { KRONA_HOST: '127.9.9.9' }, true, false],
  ['this machine by name', { KRONA_HOST: 'localhost', KRONA_URL: 'http://[::1]:7860' }, true, false],
  ['a key on this machine', { KRONA_ACCESS_KEY: 'sixteen-letters-long' }, true, true],
  ['all networks', { KRONA_HOST: '0.0.0.0' }, false, true],
  ['all networks, as IPv6', { KRONA_HOST: '::' }, false, true],
  ['a public address', { KRONA_URL: 'https://krona.example.org' }, false, true],
  ['a proxy', { KRONA_TRUSTED_PROXIES: '127.0.0.1' }, false, true],
  ['a public address, open by name', { KRONA_URL: 'https://x.example', KRONA_ACCESS: 'open' }, false, false],
])('requires a key where others reach it: %s', async (_, env, local, keyNeeded) => {
  const { webAccess } = await readConfig({ KRONA_DATA: folder, ...env });
  expect(webAccess).toMatchObject({ local, keyNeeded });
});

it('trusts the addresses of named proxies only', async () => {
  const { webAccess } = await readConfig({ KRONA_DATA: folder, KRONA_TRUSTED_PROXIES: '10.0.0.2 fd00::/8' });
  const from = (remoteAddress: string, forwarded: string) =>
    addressOf(
      { socket: { remoteAddress } as Socket, headers: { 'x-forwarded-for': forwarded } },
      webAccess.trustedProxies,
    );
  expect(from('::ffff:10.0.0.2', '6.6.6.6, 198.51.100.7')).toBe('198.51.100.7');
  expect(from('10.0.0.2', '198.51.100.7, fd00::5')).toBe('198.51.100.7');
  expect(from('192.0.2.1', '198.51.100.7')).toBe('192.0.2.1');
  expect(from('10.0.0.2', 'nonsense')).toBe('10.0.0.2');
});

it.each([
  ['KRONA_ACCESS', 'opne'],
  ['KRONA_ACCESS_KEY', 'short'],
  ['KRONA_MODERATOR_KEY', 'short'],
  ['KRONA_TRUSTED_PROXIES', 'proxy.example'],
  ['KRONA_TRUSTED_PROXIES', '10.0.0.0/33'],
])('refuses %s=%s', async (name, value) => {
  await expect(readConfig({ KRONA_DATA: folder, [name]: value })).rejects.toMatchObject({
    code: `${name}_INVALID`,
  });
});
