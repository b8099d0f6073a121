/** @file A real S3 server for tests: versitygw, in a folder of its own and on a loopback port. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BucketAccess } from '../../../core/environment.ts';
import { until } from '../../helpers/until.ts';

/** Whether this machine has the program; .ci/run installs it. */
export const hasS3 = spawnSync('versitygw', ['--version']).status === 0;

export interface S3Server {
  /** As the owner of all buckets. */
  readonly access: BucketAccess & { readonly endpoint: string };
  /** Keys of somebody who owns no bucket. */
  readonly stranger: NonNullable<BucketAccess['keys']>;
  addBucket(name: string): Promise<void>;
  /** Ends the server; `start` begins it again at the same address. */
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

const OWNER = { accessKeyId: 'owner-key', secretAccessKey: 'owner-secret-hush' };
const STRANGER = { accessKeyId: 'stranger-key', secretAccessKey: 'stranger-secret-hush' };

/** An empty server. */
export async function startS3(): Promise<S3Server> {
  const folder = await mkdtemp(join(tmpdir(), 'krona-test-'));
  const [buckets, accounts] = [join(folder, 'buckets'), join(folder, 'accounts')];
  await Promise.all([mkdir(buckets), mkdir(accounts), mkdir(join(folder, 'sidecar'))]);
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const env = {
    ...process.env,
    ROOT_ACCESS_KEY: OWNER.accessKeyId,
    ROOT_SECRET_KEY: OWNER.secretAccessKey,
    ADMIN_ACCESS_KEY: OWNER.accessKeyId,
    ADMIN_SECRET_KEY: OWNER.secretAccessKey,
  };
  let server: ChildProcess;
  const start = async (): Promise<void> => {
    server = spawn(
      'versitygw',
      [
        ...['--port', `127.0.0.1:${port}`, '--iam-dir', accounts, '--quiet', '--keep-alive'],
        // Not every disk has the attributes that it would keep metadata in.
        ...['posix', '--sidecar', join(folder, 'sidecar'), buckets],
      ],
      { env, stdio: 'ignore' },
    );
    await until(
      () =>
        fetch(endpoint).then(
          () => true,
          () => false,
        ),
      'the S3 server to answer',
    );
  };
  const kill = async (): Promise<void> => {
    server.kill('SIGKILL');
    await once(server, 'exit');
  };
  await start();
  const { status } = spawnSync(
    'versitygw',
    [
      ...['admin', '--endpoint-url', endpoint, 'create-user', '--role', 'user'],
      ...['--access', STRANGER.accessKeyId, '--secret', STRANGER.secretAccessKey],
    ],
    { env },
  );
  if (status !== 0) throw new Error('the S3 server took no second account');
  return {
    access: { endpoint, region: null, keys: OWNER },
    stranger: STRANGER,
    addBucket: async (name) => void (await mkdir(join(buckets, name))),
    kill,
    start,
    async stop() {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
