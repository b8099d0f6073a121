/** Photos ahead of their message: how much of them there can be. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Uploads } from '../../bot/uploads.ts';
import { until } from '../helpers/until.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-uploads-'));
});
afterEach(() => rm(folder, { recursive: true }));

const bytes = (size: number): Readable => Readable.from([Buffer.alloc(size)]);
const FULL = { code: 'UPLOADS_FULL' };

it("limits the bytes of one member's files, waiting and arriving together", async () => {
  const uploads = await Uploads.open(folder, { member: 100, all: 10_000 });
  const first = await uploads.add('ann', 'a.png', bytes(60));
  const slow = new PassThrough();
  const arriving = uploads.add('ann', 'b.png', slow);
  slow.write(Buffer.alloc(30));
  await until(async () => (await readdir(folder)).length === 2, 'the second file to arrive');
  await expect(uploads.add('ann', 'c.png', bytes(20))).rejects.toMatchObject(FULL);
  await uploads.add('bob', 'd.png', bytes(20));
  await uploads.release([first]);
  slow.end(Buffer.alloc(30));
  expect((await arriving).size).toBe(60);
  // What was refused left nothing.
  expect(await readdir(folder)).toHaveLength(2);
});

it('an upload that breaks off leaves nothing behind', async () => {
  const uploads = await Uploads.open(folder);
  const gone = new PassThrough();
  const arriving = uploads.add('ann', 'a.png', gone);
  gone.write(Buffer.alloc(30));
  await until(async () => (await readdir(folder)).length === 1, 'the file to arrive');
  gone.destroy(new Error('aborted'));
  await expect(arriving).rejects.toThrow('aborted');
  expect(await readdir(folder)).toEqual([]);
});

it('limits the bytes of all members together', async () => {
  const uploads = await Uploads.open(folder, { member: 100, all: 150 });
  await uploads.add('ann', 'a.png', bytes(90));
  await expect(uploads.add('bob', 'b.png', bytes(90))).rejects.toMatchObject(FULL);
});

it('a member who fills the room makes way for one who has less, oldest first', async () => {
  const uploads = await Uploads.open(folder, { member: 100, all: 150 });
  const [first, second] = [
    await uploads.add('ann', 'a.png', bytes(50)),
    await uploads.add('ann', 'b.png', bytes(50)),
  ];
  const other = await uploads.add('bob', 'c.png', bytes(40));
  const third = await uploads.add('cid', 'd.png', bytes(30));
  expect(() => uploads.find('ann', [first.id])).toThrow(expect.objectContaining({ code: 'UPLOAD_GONE' }));
  expect(uploads.find('ann', [second.id])).toEqual([second]);
  expect(uploads.find('bob', [other.id])).toEqual([other]);
  expect(uploads.find('cid', [third.id])).toEqual([third]);
  await until(async () => (await readdir(folder)).length === 3, 'the file to be removed');
});

it('a member who starts many and finishes none keeps only as many as can wait', async () => {
  const uploads = await Uploads.open(folder);
  const open = Array.from({ length: 30 }, () => new PassThrough());
  const arriving = open.map((stream) => uploads.add('ann', 'a.png', stream));
  await expect(uploads.add('ann', 'b.png', bytes(1))).rejects.toMatchObject(FULL);
  await uploads.add('bob', 'c.png', bytes(1));
  for (const stream of open) stream.end();
  await Promise.all(arriving);
});
