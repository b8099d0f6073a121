/** Blobs in a bucket of a real S3 server, and what happens when the server or the way to it fails. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { inspect } from 'node:util';
import {
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { BlobPlace } from '../../core/blob-place.ts';
import type { BucketAccess } from '../../core/environment.ts';
import { KronaError } from '../../core/errors.ts';
import { bucketClient } from '../../storage/blobs/bucket/client.ts';
import { openBlobBucket } from '../../storage/blobs/bucket/store.ts';
import type { BlobStore } from '../../storage/blobs/contract.ts';
import { sweepBlobs } from '../../storage/sweep.ts';
import { until } from '../helpers/until.ts';
import { runBlobStoreTests } from './conformance/blob-store.ts';
import { type FaultyProxy, startFaultyProxy } from './helpers/faulty-proxy.ts';
import { hasS3, type S3Server, startS3 } from './helpers/s3-server.ts';

const HOUR = 3600_000;
const PLACE: Extract<BlobPlace, { kind: 'bucket' }> = { kind: 'bucket', bucket: 'krona', prefix: 'here/' };
const LINK = { contentType: 'image/png', contentDisposition: 'inline', cacheControl: 'private' };
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
/** In pieces, as from a file or a connection. */
const streamOf = (bytes: Buffer): Readable =>
  Readable.from(
    Array.from({ length: 20 }, (_, n) =>
      bytes.subarray((n * bytes.length) / 20, ((n + 1) * bytes.length) / 20),
    ),
  );

describe.skipIf(!hasS3)('blobs in a bucket', () => {
  let server: S3Server;
  let proxy: FaultyProxy;
  let folder: string;
  /** Through the proxy. */
  let access: BucketAccess;
  let blobs: BlobStore;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'krona-test-'));
    server = await startS3();
    await server.addBucket('krona');
    proxy = await startFaultyProxy(server.access.endpoint);
    access = { ...server.access, endpoint: proxy.url };
    blobs = await openBlobBucket(PLACE, access, join(folder, 'sending'));
  });
  afterEach(() => {
    vi.useRealTimers();
    proxy.heal();
  });
  afterAll(async () => {
    await blobs?.close();
    await proxy?.stop();
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const open = (changes: Partial<BucketAccess> = {}, place = PLACE): Promise<BlobStore> =>
    openBlobBucket(place, { ...access, ...changes }, join(folder, 'sending'));
  const send = () => bucketClient(server.access);
  const object = (name: string) => ({ Bucket: PLACE.bucket, Key: `${PLACE.prefix}${name}` });
  const openUploads = async () =>
    (await send().send(new ListMultipartUploadsCommand({ Bucket: PLACE.bucket }))).Uploads ?? [];

  // S3 tells times in seconds.
  runBlobStoreTests(() => open(), { tick: 2100 });

  it('leave nothing in the folder that they were sent from', async () => {
    await blobs.put(streamOf(randomBytes(10_000_000)));
    expect(await readdir(join(folder, 'sending'))).toEqual([]);
  });

  it('are swept by listing the bucket, and other prefixes stay', async () => {
    const place = { ...PLACE, prefix: 'here/too/' };
    const [own, other] = [await open({}, place), await open({}, { ...PLACE, prefix: 'here/to' })];
    const hashes = await Promise.all(['used', 'unused'].map((text) => own.put(Buffer.from(text))));
    const elsewhere = await other.put(Buffer.from('unused'));
    await vi.waitFor(
      async () => {
        const used = { blobsInUse: async () => new Set([hashes[0]!.hash]) };
        expect(await sweepBlobs(used, own, 0)).toBe(1);
      },
      { timeout: 10_000 },
    );
    expect(await own.stat(hashes[0]!.hash)).not.toBeNull();
    expect(await own.stat(hashes[1]!.hash)).toBeNull();
    expect(await other.stat(elsewhere.hash)).not.toBeNull();
    await Promise.all([own.close(), other.close()]);
  });

  it('are deleted by one sweep of several', async () => {
    const { hash } = await blobs.put(randomBytes(100));
    const later = new Date(Date.now() + HOUR);
    const deleted = await Promise.all(Array.from({ length: 5 }, () => blobs.deleteOlder(hash, later)));
    expect(deleted.filter(Boolean)).toHaveLength(1);
  });

  it('survive a deletion that had begun before they were stored again', async () => {
    const bytes = randomBytes(100);
    const hash = sha256(bytes);
    const announcement = object(`deleting/${hash}`);
    await send().send(new PutObjectCommand({ ...announcement, Body: '', ContentLength: 0 }));
    const putting = blobs.put(bytes);
    await until(() => proxy.seen.some((line) => line.startsWith(`HEAD /krona/${announcement.Key}`)));
    // The other process had seen the blob before it was stored again.
    await send().send(new DeleteObjectCommand(object(hash)));
    await send().send(new DeleteObjectCommand(announcement));
    await putting;
    expect(Buffer.from(await blobs.get(hash))).toEqual(bytes);
  });

  it('can be deleted again after a process has crashed over it', async () => {
    const { hash } = await blobs.put(randomBytes(100));
    await send().send(new PutObjectCommand({ ...object(`deleting/${hash}`), Body: '', ContentLength: 0 }));
    const later = new Date(Date.now() + 24 * HOUR);
    expect(await blobs.deleteOlder(hash, later)).toBe(false);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 2 * HOUR });
    expect(await blobs.deleteOlder(hash, later)).toBe(false);
    expect(await blobs.deleteOlder(hash, later)).toBe(true);
    expect(await blobs.stat(hash)).toBeNull();
  });

  it('lose the parts of a crashed upload after a day, and nothing ever shows them', async () => {
    const upload = await send().send(new CreateMultipartUploadCommand(object('0'.repeat(64))));
    const part = { ...object('0'.repeat(64)), UploadId: upload.UploadId, PartNumber: 1 };
    await send().send(new UploadPartCommand({ ...part, Body: randomBytes(6_000_000) }));
    expect(await blobs.stat('0'.repeat(64))).toBeNull();
    await (await open()).close();
    expect(await openUploads()).toHaveLength(1);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 25 * HOUR });
    await (await open()).close();
    expect(await openUploads()).toEqual([]);
  });

  describe('public links', () => {
    it('give the bytes and ranges of them to anybody, as the type that was asked for', async () => {
      const { hash } = await blobs.put(Buffer.from('0123456789'));
      const link = (await blobs.publicLink(hash, LINK))!;
      const whole = await fetch(link);
      expect([whole.headers.get('content-type'), await whole.text()]).toEqual(['image/png', '0123456789']);
      const range = await fetch(link, { headers: { range: 'bytes=2-4' } });
      expect([range.status, await range.text()]).toEqual([206, '234']);
      // A browser finds again what it has fetched.
      expect(await blobs.publicLink(hash, LINK)).toBe(link);
    });

    it('open nothing else, and end', async () => {
      const [one, two] = [await blobs.put(randomBytes(9)), await blobs.put(randomBytes(9))];
      const link = (await blobs.publicLink(one.hash, LINK))!;
      expect((await fetch(link.replace(one.hash, two.hash))).status).toBe(403);
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 3 * HOUR });
      const old = (await blobs.publicLink(one.hash, LINK))!;
      vi.useRealTimers();
      expect((await fetch(old)).status).toBe(403);
    });
  });

  describe('with faults on the way', () => {
    const failure = async (work: Promise<unknown>): Promise<KronaError> => {
      const error = await work.then(
        () => new Error('it succeeded'),
        (thrown: unknown) => thrown,
      );
      if (error instanceof KronaError) return error;
      throw error as Error;
    };

    it('are sent again after SlowDown, and the error says so when it goes on', async () => {
      proxy.fail(/^PUT/, { status: 503, code: 'SlowDown' }, 3);
      const bytes = randomBytes(1000);
      expect(await blobs.put(bytes)).toEqual({ hash: sha256(bytes), size: 1000 });
      proxy.fail(/./, { status: 503, code: 'SlowDown' });
      const error = await failure(blobs.put(bytes));
      expect(error).toMatchObject({ code: 'BLOBS_UNREACHABLE', retryable: true });
      expect(error.message).toContain('SlowDown');
    });

    it('arrive whole when the connection breaks in the middle of sending', async () => {
      const bytes = randomBytes(20_000_000);
      proxy.fail(/partNumber=2/, { cutRequestAfter: 500_000 }, 2);
      const { hash } = await blobs.put(streamOf(bytes));
      proxy.fail(/^PUT/, { cutRequestAfter: 500_000 }, 2);
      const small = await blobs.put(bytes.subarray(0, 5_000_000));
      expect((await buffer(await blobs.stream(hash))).equals(bytes)).toBe(true);
      expect(Buffer.from(await blobs.get(small.hash)).equals(bytes.subarray(0, 5_000_000))).toBe(true);
    });

    it('are not there at all when sending fails for good', async () => {
      const bytes = randomBytes(20_000_000);
      proxy.fail(/partNumber=2/, { cutRequestAfter: 500_000 });
      const error = await failure(blobs.put(streamOf(bytes)));
      expect(error).toMatchObject({ code: 'BLOBS_UNREACHABLE', retryable: true });
      expect(await blobs.stat(sha256(bytes))).toBeNull();
      expect(await openUploads()).toEqual([]);
    });

    it('are stored when only the answer to the last request is lost', async () => {
      const bytes = randomBytes(20_000_000);
      proxy.fail(/^POST .*uploadId=/, { loseAnswer: true }, 1);
      const { hash } = await blobs.put(streamOf(bytes));
      expect((await buffer(await blobs.stream(hash))).equals(bytes)).toBe(true);
    });

    it('arrive whole when the connection breaks in the middle of receiving', async () => {
      const bytes = randomBytes(8_000_000);
      const { hash } = await blobs.put(bytes);
      proxy.fail(/^GET/, { cutAnswerAfter: 1_000_000 }, 3);
      expect(Buffer.from(await blobs.get(hash)).equals(bytes)).toBe(true);
      proxy.fail(/^GET/, { cutAnswerAfter: 1_000_000 }, 2);
      const range = { start: 1_000_000, end: 6_000_000 };
      const part = await buffer(await blobs.stream(hash, range));
      expect(part.equals(bytes.subarray(range.start, range.end + 1))).toBe(true);
      proxy.fail(/^GET/, { cutAnswerAfter: 0 });
      expect(await failure(blobs.get(hash))).toMatchObject({ code: 'BLOBS_UNREACHABLE', retryable: true });
    });

    it('are stored although the clock of this machine is wrong', async () => {
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 5 * HOUR });
      const skewed = await open();
      const bytes = randomBytes(100);
      expect(await skewed.put(bytes)).toEqual({ hash: sha256(bytes), size: 100 });
      await skewed.close();
      proxy.fail(/./, { status: 403, code: 'RequestTimeTooSkewed' });
      expect(await failure(open())).toMatchObject({ code: 'BLOBS_CLOCK_WRONG', retryable: false });
    });

    it('are there again when the server is', async () => {
      const kept = await blobs.put(randomBytes(100));
      await server.kill();
      expect(await failure(blobs.get(kept.hash))).toMatchObject({
        code: 'BLOBS_UNREACHABLE',
        retryable: true,
      });
      expect(await failure(open())).toMatchObject({ code: 'BLOBS_UNREACHABLE', retryable: true });
      await server.start();
      expect(await blobs.stat(kept.hash)).toEqual(kept);
    });

    it('tell wrong keys, a missing bucket, denied access and other refusals apart, without secrets', async () => {
      const { keys } = server.access;
      const secrets = [keys, server.stranger].flatMap((each) =>
        each === null ? [] : [each.secretAccessKey],
      );
      const wrong = { accessKeyId: keys!.accessKeyId, secretAccessKey: 'wrong-secret-hush' };
      const cases: [string, () => Promise<unknown>][] = [
        ['BLOBS_KEYS_WRONG', () => open({ keys: wrong })],
        ['BLOBS_KEYS_WRONG', () => open({ keys: { ...wrong, accessKeyId: 'nobody' } })],
        ['BLOBS_BUCKET_MISSING', () => open({}, { ...PLACE, bucket: 'missing' })],
        ['BLOBS_DENIED', () => open({ keys: server.stranger })],
        ['BLOBS_UNREACHABLE', () => open({ endpoint: 'http://127.0.0.1:1' })],
      ];
      for (const [status, told, code] of [
        [301, 'PermanentRedirect', 'BLOBS_REGION_WRONG'],
        [507, 'XMinioStorageFull', 'DISK_FULL'],
        [400, 'ExpiredToken', 'BLOBS_KEYS_WRONG'],
        [400, 'SomethingNew', 'BLOBS_REFUSED'],
      ] as const)
        cases.push([
          code,
          async () => {
            proxy.fail(/^PUT/, { status, code: told });
            await blobs.put(randomBytes(10)).finally(() => proxy.heal());
          },
        ]);
      for (const [code, work] of cases) {
        const error = await failure(work());
        expect(error.code).toBe(code);
        const all = inspect(error, { depth: 10, showHidden: true });
        for (const secret of [...secrets, 'wrong-secret-hush', 'Signature='])
          expect(all).not.toContain(secret);
      }
    });
  });
});
