/** `krona sweep`: the table, the sheet and the best adapter, and the same when it is run again. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Picture } from '../../core/pictures/picture.ts';
import { openSafetensors } from '../../gpu-worker/models/safetensors.ts';
import { makePhotos } from '../helpers/tiny-run.ts';
import { krona, TINY } from './run-krona.ts';

let folder: string;
const own = (name: string): string => join(folder, name);
const sweep = (...more: string[]) =>
  krona(
    ...['sweep', '--model', TINY, '--photos', own('photos'), '--subject', 'sks cat', '--steps', '2'],
    ...['--a2', '2', '--lr', '1e-3', '--out', own('out'), ...more],
  );

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-cli-sweep-'));
  await makePhotos(own('photos'), 1);
});
afterAll(() => rm(folder, { recursive: true }));

it('keeps the best adapter and the sheet, and tells the same when it is run again', async () => {
  const first = await sweep('--a1', '2,4');
  expect(first.code, first.stderr).toBe(0);
  expect(first.stdout).toMatch(/^2×2, lr 0\.001: score \d\.\d{3} \(likeness .*\) after 2 steps \*\n4×2/);
  const { metadata } = await openSafetensors(own('out/best.safetensors'));
  expect(first.stdout).toContain(`best.safetensors: ${metadata.get('krona.a1')}×2, lr 0.001`);
  const { width, height } = await Picture.open(own('out/sheet.png'), 'The sheet');
  expect(Math.min(width, height)).toBeGreaterThan(200);
  const sheet = await readFile(own('out/sheet.png'));
  const again = await sweep('--a1', '2,4');
  expect(again.stdout).toBe(first.stdout);
  expect(await readFile(own('out/sheet.png'))).toEqual(sheet);
});

it('says what does not fit before it trains', async () => {
  expect((await sweep('--a1', '2')).stderr).toContain('SWEEP_SIZE');
  expect((await sweep('--a1', '2,7')).stderr).toMatch(/FACTORS_UNFIT[^]*7×2, lr 0\.001/);
  expect((await sweep('--a1', '2,x')).stderr).toContain('OPTION_INVALID');
});
