/** @file The package as people get it: packed, installed into an empty folder, and used there. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { version } from '../../core/package.ts';

const ROOT = join(import.meta.dirname, '../..');
const PACKED = `krona-${version}.tgz`;

/** What the test runner tells its children must not reach a program that a person starts. */
const { NODE_OPTIONS: _, NODE_ENV: __, VITEST: ___, ...env } = process.env;

let folder: string;

async function call(cwd: string, command: string, ...words: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(command, words, {
    cwd,
    // No CUDA library from a host that a test may not reach (docs/dependencies.md).
    env: { ...env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
    maxBuffer: 2 ** 24,
  });
  return stdout;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-package-'));
  await call(ROOT, 'npm', 'pack', '--silent', '--pack-destination', folder);
  await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  const quietly = ['--prefer-offline', '--no-audit', '--no-fund', '--silent'];
  await call(folder, 'npm', 'install', ...quietly, `./${PACKED}`);
}, 600_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the installed package', { timeout: 300_000 }, () => {
  it('prints its version', async () => {
    expect(await call(folder, 'npx', 'krona', '--version')).toBe(`${version}\n`);
  });

  it('trains two steps with the embedded model', async () => {
    await mkdir(join(folder, 'photos'));
    const photo = { width: 64, height: 64, channels: 3, background: '#3050c0' } as const;
    await sharp({ create: photo }).png().toFile(join(folder, 'photos/1.png'));
    const words = ['--photos', 'photos', '--subject', 'mochi cat', '--steps', '2', '--out', 'a.safetensors'];
    const stdout = await call(folder, 'npx', 'krona', 'train', ...words, '--json');
    expect(JSON.parse(stdout)).toMatchObject({ adapter: 'a.safetensors', steps: 2 });
  });

  it('starts the bot and serves its page', async () => {
    const settings = { KRONA_DATA: join(folder, 'data'), KRONA_PORT: '0' };
    const child = spawn(join(folder, 'node_modules/.bin/krona'), ['start', '--json'], {
      cwd: folder,
      env: { ...env, ...settings },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'exit');
    try {
      const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
      const { address } = JSON.parse(line) as { address: string };
      const page = await (await fetch(address)).text();
      const script = /src="([^"]+\.js)"/.exec(page)?.[1] ?? 'no script';
      expect((await fetch(new URL(script, address))).status).toBe(200);
    } finally {
      child.kill('SIGTERM');
    }
    expect(await ended).toEqual([0, null]);
  });

  it('is a library with types', async () => {
    const program = `
      import { compile, op, runOnce } from 'krona/graph';
      const x = op.input('x', [2]);
      const { y } = await runOnce(compile({ y: op.mul(x, x) }), { x: Float32Array.of(3, 4) });
      console.log(y.join());
      for (const room of ['models', 'adapters', 'sampling', 'training'])
        console.log(Object.keys(await import('krona/' + room)).length > 0);
    `;
    await writeFile(join(folder, 'square.js'), program);
    expect(await call(folder, 'node', 'square.js')).toBe('9,16\ntrue\ntrue\ntrue\ntrue\n');
    expect(await readdir(join(folder, 'node_modules/krona/dist/gpu-worker/graph'))).toContain('index.d.ts');
  });

  it('omits what only development needs', async () => {
    const brought = await readdir(join(folder, 'node_modules/krona'), { recursive: true });
    expect(
      brought.filter((path) =>
        /^(dist\/)?(lab|test|bench|examples)\b|\.tsx?$/.test(path.replace(/\.d\.ts$/, '')),
      ),
    ).toEqual([]);
    expect(await call(folder, 'npx', 'krona', '--help')).not.toContain('pretrain');
  });
});
