/** `krona device install cuda`: onnxruntime's CUDA provider comes whole, of the right version, or not at all. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  installCuda,
  type InstallHooks,
  type InstallOptions,
} from '../../cli/device-install/install-cuda.ts';
import { nugetPackage, pypiWheel, registries } from '../../cli/device-install/registry.ts';
import { PROVIDER_FILES } from '../../gpu-worker/graph/cuda-libraries.ts';
import { FakeRegistry, nupkg, PROVIDER_BYTES, wheel } from '../helpers/fake-registry.ts';
import { krona } from './run-krona.ts';

const VERSION = '1.30.0';
const INSTALLED = [...PROVIDER_FILES, 'krona-cuda.json'].sort();

let folder: string;
let registry: FakeRegistry;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-install-'));
  await mkdir(join(folder, 'runtime'));
  registry = await FakeRegistry.start(VERSION);
});
afterEach(async () => {
  await registry.stop();
  await rm(folder, { recursive: true });
});

const runtime = (): string => join(folder, 'runtime');
const beside = async (): Promise<string[]> => (await readdir(runtime())).sort();
const install = (from?: InstallOptions['from'], hooks: InstallHooks = {}, known = registry.addresses) =>
  installCuda(
    {
      version: VERSION,
      to: runtime(),
      downloads: join(folder, 'downloads'),
      from: from ?? [
        (signal) => nugetPackage(known, VERSION, signal),
        (signal) => pypiWheel(known, VERSION, signal),
      ],
    },
    { patienceMs: 1, ...hooks },
  );

async function expectInstalled(): Promise<void> {
  expect(await beside()).toEqual(INSTALLED);
  for (const name of PROVIDER_FILES)
    expect((await readFile(join(runtime(), name))).equals(PROVIDER_BYTES[name]!)).toBe(true);
}

describe('from a registry', () => {
  it('takes the NuGet package, and a second time nothing', async () => {
    expect(await install()).toMatchObject({ version: VERSION, already: false });
    await expectInstalled();
    expect(registry.downloads).toEqual(['gpu.nupkg all']);
    expect(await readdir(join(folder, 'downloads'))).toEqual([]);
    expect(await install()).toMatchObject({ already: true });
    expect(registry.downloads).toHaveLength(1);
  });

  it('installs again where a file was changed', async () => {
    await install();
    await writeFile(join(runtime(), PROVIDER_FILES[1]), 'half');
    expect(await install()).toMatchObject({ already: false });
    await expectInstalled();
  });

  it("takes PyPI's wheel where NuGet does not answer, and says so", async () => {
    registry.nugetDown = true;
    const notices: string[] = [];
    await install(undefined, { onNotice: (line) => notices.push(line) });
    await expectInstalled();
    expect(registry.downloads).toEqual(['gpu.whl all']);
    expect(notices).toEqual([expect.stringMatching(/answered with an error \(503\).*next source/)]);
  });

  it('goes on where a connection broke off, in the same call and in the next', async () => {
    Object.assign(registry, { cutAfter: 100_000, cuts: 1 });
    await install();
    const [first, second, ...more] = registry.downloads;
    expect([first, ...more]).toEqual(['gpu.nupkg all']);
    // What came last before the cut can be lost with the connection, and is asked for again.
    const start = Number(/^gpu\.nupkg bytes=(\d+)-$/.exec(second!)?.[1]);
    expect(start).toBeGreaterThan(0);
    expect(start).toBeLessThanOrEqual(100_000);
    await rm(join(runtime(), 'krona-cuda.json'));
    // One piece, and then nothing more.
    const stopped = new AbortController();
    Object.assign(registry, { cutAfter: 150_000, cuts: 1 });
    registry.asked.length = 0;
    const broken = install(undefined, {
      signal: stopped.signal,
      onBytes: (bytes) => bytes >= 150_000 && stopped.abort(new Error('stopped')),
    });
    await expect(broken).rejects.toThrow('stopped');
    await install();
    expect(registry.downloads.at(-1)).toMatch(/^gpu\.nupkg bytes=\d{5,}-$/);
    await expectInstalled();
  });

  it('refuses a package that came damaged, and leaves nothing of it', async () => {
    registry.damaged = true;
    await expect(install()).rejects.toMatchObject({ code: 'REGISTRY_HASH_MISMATCH', retryable: true });
    expect(await beside()).toEqual([]);
    expect(await readdir(join(folder, 'downloads'))).toEqual([]);
  });

  it('refuses a package that holds another version than its name', async () => {
    const other = await FakeRegistry.start(VERSION, '1.29.1');
    const trial = install(undefined, {}, other.addresses);
    await expect(trial).rejects.toMatchObject({
      code: 'CUDA_PACKAGE_VERSION',
      message: expect.stringMatching(/1\.29\.1.*1\.30\.0/) as string,
    });
    await other.stop();
    expect(await beside()).toEqual([]);
  });

  it('says that no registry has this version', async () => {
    const other = await FakeRegistry.start('1.31.0');
    const trial = install(undefined, {}, other.addresses);
    await expect(trial).rejects.toMatchObject({
      code: 'REGISTRY_PACKAGE_MISSING',
      message: expect.stringContaining('--from') as string,
    });
    await other.stop();
  });

  it('gives name and password of an address to that host only, as a header', async () => {
    registry.nugetDown = true;
    const { nuget, pypi } = registry.addresses;
    pypi.username = 'me';
    pypi.password = 'p%40ss';
    await install(undefined, {}, { nuget, pypi });
    const of = (path: string) => registry.asked.find((each) => each.path === path)?.authorization;
    expect(of('/simple/onnxruntime-gpu/')).toBe(`Basic ${Buffer.from('me:p@ss').toString('base64')}`);
    expect(of('/v3/index.json')).toBeUndefined();
  });

  it('reads the addresses from the environment, and repeats none that is wrong', () => {
    expect(registries({}).pypi.host).toBe('pypi.org');
    expect(registries({ PIP_INDEX_URL: 'https://here.example/simple' }).pypi.host).toBe('here.example');
    expect(() => registries({ KRONA_NUGET_INDEX: 'hush' })).toThrow(
      expect.objectContaining({
        code: 'KRONA_NUGET_INDEX_INVALID',
        message: expect.not.stringContaining('hush') as string,
      }),
    );
  });
});

describe('from a file', () => {
  const file = async (name: string, bytes: Buffer): Promise<string> => {
    await writeFile(join(folder, name), bytes);
    return join(folder, name);
  };

  it.each([
    ['gpu.whl', wheel(VERSION)],
    ['gpu.nupkg', nupkg(VERSION)],
  ])('takes %s without a network, and leaves it where it is', async (name, bytes) => {
    await install(await file(name, bytes));
    await expectInstalled();
    expect(await readdir(folder)).toContain(name);
    expect(registry.asked).toEqual([]);
  });

  it("takes a folder where Python's package is installed", async () => {
    const site = join(folder, 'site-packages');
    await mkdir(join(site, 'onnxruntime/capi'), { recursive: true });
    await mkdir(join(site, `onnxruntime_gpu-${VERSION}.dist-info`));
    for (const name of PROVIDER_FILES)
      await writeFile(join(site, 'onnxruntime/capi', name), PROVIDER_BYTES[name]!);
    for (const given of [site, join(site, 'onnxruntime/capi')]) {
      await install(given);
      await expectInstalled();
    }
  });

  it('leaves what was there when the provider in the file is damaged', async () => {
    const bytes = wheel(VERSION);
    const provider = PROVIDER_BYTES[PROVIDER_FILES[1]]!;
    const place = bytes.lastIndexOf(provider.subarray(0, 64));
    bytes[place + 1000]! ^= 1;
    await expect(install(await file('gpu.whl', bytes))).rejects.toMatchObject({
      code: 'CUDA_PACKAGE_INVALID',
      message: expect.stringContaining('damaged') as string,
    });
    expect(await beside()).toEqual([]);
  });

  it.each([
    ['no archive', Buffer.from('hello'), 'CUDA_PACKAGE_INVALID'],
    ['another version', wheel('1.20.0'), 'CUDA_PACKAGE_VERSION'],
  ])('refuses %s', async (_, bytes, code) => {
    await expect(install(await file('given', bytes))).rejects.toMatchObject({ code });
    expect(await beside()).toEqual([]);
  });
});

it('is offered for CUDA only, and names a file that is missing', async () => {
  expect((await krona('device', 'install', 'abacus')).code).toBe(2);
  const { code, stderr } = await krona('device', 'install', 'cuda', '--from', '/nowhere/gpu.whl');
  expect([code, stderr]).toEqual([1, expect.stringMatching(/^FILE_NOT_FOUND: gpu\.whl does not exist/)]);
});
