/** bench/gpu: the phases run, write what they found at once, and go on where they were interrupted. */
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { nodeOptions } from '../../core/own-program.ts';
import { keepArchitecture } from '../../bench/gpu/one-architecture.ts';
import { PHASES } from '../../bench/gpu/phases.ts';
import { table, type Outcome } from '../../bench/gpu/table.ts';
import { ROOT } from '../cli/run-krona.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-bench-gpu-'));
});
afterEach(() => rm(folder, { recursive: true }));

function bench(...words: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const script = join(ROOT, 'bench/gpu/run.ts');
  const child = spawn(process.execPath, [...nodeOptions, script, '--small', '--out', folder, ...words], {
    cwd: ROOT,
  });
  const text = { stdout: '', stderr: '' };
  child.stdout.on('data', (piece: Buffer) => (text.stdout += piece.toString()));
  child.stderr.on('data', (piece: Buffer) => (text.stderr += piece.toString()));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, ...text })));
}
const outcome = async (name: string): Promise<Outcome> =>
  JSON.parse(await readFile(join(folder, `${name}.json`), 'utf8')) as Outcome;

it('rehearses every phase of Krona on the CPU, without Python', async () => {
  const { code, stdout, stderr } = await bench('--device', 'cpu');
  expect(stderr).not.toContain('FAILED');
  expect(code).toBe(0);
  const own = Object.entries(PHASES).flatMap(([name, { run }]) => (run ? [`${name}.json`] : []));
  expect((await readdir(folder)).sort()).toEqual(own.sort());
  expect(stdout).toMatch(/\| training +\| \d[\d.e-]* \| not run \| – \|/);
  expect(stdout).toMatch(/gradient in float16: off by/);
  const { facts } = await outcome('training');
  expect(facts).toMatchObject({ rows: [{ work: 'training', ok: true }] });
}, 300_000);

it('goes on with what is missing or failed, and a phase that fails costs only itself', async () => {
  await writeFile(join(folder, 'values-float32.json'), JSON.stringify({ ok: true, facts: { rows: [] } }));
  await writeFile(join(folder, 'device.json'), JSON.stringify({ ok: false, facts: { error: 'gone' } }));
  const { stderr } = await bench('--device', 'cuda', '--only', 'device,values-float32,attention');
  expect(stderr).toMatch(/^device done/m);
  expect(stderr).toMatch(/^attention FAILED/m);
  expect(stderr).not.toContain('values-float32');
  expect((await outcome('device')).facts).toMatchObject({ findings: { works: false } });
  expect((await outcome('attention')).facts).toMatchObject({ error: { code: 'RUNTIME_LOAD' } });
});

it('prints ratios of the fastest runs after the first', () => {
  const measured = (facts: object): Outcome => ({
    ok: true,
    at: '',
    wall: 1,
    cardMib: 9,
    small: false,
    facts,
  });
  const text = table({
    sampling: measured({ rows: [{ runs: [9, 0.5, 0.4] }] }),
    'rival-sampling': measured({ runs: [9, 0.2] }),
    training: { ...measured({ error: 'gone' }), ok: false },
  });
  expect(text).toContain('| sampling | 0.400 | 0.200 | 0.50 | 9 | 9 |');
  expect(text).toContain('| training | not run | not run | – |');
  expect(text).toContain('training failed: {"error":"gone"}');
});

it("keeps a library's code for one kind of card, and what has none", () => {
  const entry = (kind: number, architecture: number, content: string): Buffer => {
    const header = Buffer.alloc(64);
    header.writeUInt16LE(kind, 0);
    header.writeUInt32LE(64, 4);
    header.writeBigUInt64LE(BigInt(content.length), 8);
    header.writeUInt32LE(architecture, 28);
    return Buffer.concat([header, Buffer.from(content)]);
  };
  const container = (...entries: Buffer[]): Buffer => {
    const content = Buffer.concat(entries);
    const header = Buffer.alloc(16);
    header.writeUInt32LE(0xba55ed50, 0);
    header.writeUInt16LE(16, 6);
    header.writeBigUInt64LE(BigInt(content.length), 8);
    return Buffer.concat([header, content]);
  };
  const library = Buffer.concat([
    Buffer.from('ELF.....'),
    container(entry(2, 86, 'for 86..'), entry(2, 90, 'for 90..'), entry(1, 90, 'ptx 90..')),
    container(entry(1, 90, 'ptx only')),
    Buffer.from('the end.'),
  ]);
  const size = library.length;
  expect(keepArchitecture(library, 90)).toBe(1);
  const text = library.toString('latin1');
  expect(library).toHaveLength(size);
  for (const kept of ['ELF', 'for 90..', 'ptx only', 'the end.']) expect(text).toContain(kept);
  for (const cut of ['for 86..', 'ptx 90..']) expect(text).not.toContain(cut);
});
