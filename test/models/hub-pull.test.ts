/** Models come from a hub whole, verified and once, whatever the line does; the hub is on this machine. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { hubSettings } from '../../gpu-worker/models/hub/hub-client.ts';
import { pullModel, type PullHooks, type PullOptions } from '../../gpu-worker/models/hub/pull.ts';
import { openTinyAutoencoder } from '../../gpu-worker/models/tiny-autoencoder.ts';
import { openTowerFolder } from '../../gpu-worker/models/vision/open-tower.ts';
import { inspectModel } from '../../gpu-worker/models/model-check.ts';
import type { Progress } from '../../core/records.ts';
import { krona } from '../cli/run-krona.ts';
import { COMMIT, FakeHub } from '../helpers/fake-hub.ts';
import { tinyFolder, tinySingleFile, type TinyName } from '../helpers/sd-fixtures.ts';

const UNET = 'unet/diffusion_pytorch_model.safetensors';

let folder: string;
const hubs: FakeHub[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-hub-'));
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => Promise.all(hubs.splice(0).map((hub) => hub.stop())));

/** A hub with a tiny model's folder, and what repositories hold besides. */
async function hubOf(name: TinyName, more: Readonly<Record<string, string | Buffer>> = {}): Promise<FakeHub> {
  const root = tinyFolder(name);
  const files = new Map<string, Buffer>();
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) {
      const path = join(entry.parentPath, entry.name);
      files.set(path.slice(root.length + 1), await readFile(path));
    }
  for (const [path, content] of Object.entries(more)) files.set(path, Buffer.from(content));
  const hub = await FakeHub.start(files);
  hubs.push(hub);
  return hub;
}

let targets = 0;
const target = (): string => join(folder, `pulled-${targets++}`);
const settingsOf = (hub: FakeHub, token = '') => hubSettings({ HF_ENDPOINT: hub.endpoint, HF_TOKEN: token });

function pull(
  hub: FakeHub,
  options: Partial<PullOptions> & { to: string },
  hooks: PullHooks = {},
  token = '',
) {
  return pullModel({ repo: 'owner/model', revision: 'main', ...options }, settingsOf(hub, token), {
    patienceMs: 1,
    ...hooks,
  });
}

const tree = async (path: string): Promise<string[]> =>
  (await readdir(path, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1))
    .sort();

describe('pulling CLIP or DINO', () => {
  const fixtures = join(import.meta.dirname, '../fixtures/vision');

  it.each([
    [
      'clip-quick',
      ['merges.txt', 'model.safetensors', 'special_tokens_map.json', 'tokenizer_config.json', 'vocab.json'],
    ],
    ['dinov2-giant', [1, 2, 3, 4].map((n) => `model-0000${n}-of-00004.safetensors`)],
  ])('downloads what opens of %s, and says where it is used', async (name, own) => {
    const files = new Map<string, Buffer>([
      ['pytorch_model.bin', Buffer.alloc(20_000)],
      ['README.md', Buffer.from('x')],
    ]);
    for (const file of await readdir(join(fixtures, name)))
      if (file !== 'reference.safetensors') files.set(file, await readFile(join(fixtures, name, file)));
    const hub = await FakeHub.start(files);
    hubs.push(hub);
    const to = target();
    await pull(hub, { to });
    const index = name === 'dinov2-giant' ? ['model.safetensors.index.json'] : [];
    expect(await tree(to)).toEqual(['config.json', 'preprocessor_config.json', ...own, ...index].sort());
    expect((await openTowerFolder(to)).preprocessing.size.width).toBeGreaterThan(0);
  });

  it('says that a pickle is not read', async () => {
    const hub = await FakeHub.start(
      new Map(
        ['config.json', 'preprocessor_config.json', 'pytorch_model.bin'].map((file) => [
          file,
          Buffer.from('{}'),
        ]),
      ),
    );
    hubs.push(hub);
    await expect(pull(hub, { to: target() })).rejects.toMatchObject({ code: 'MODEL_PICKLE' });
  });
});

it('pulling a tiny autoencoder downloads what opens of it', async () => {
  const fixture = join(import.meta.dirname, '../fixtures/distilled/taesd');
  const own = ['config.json', 'diffusion_pytorch_model.safetensors'];
  const files = new Map<string, Buffer>([['taesd_decoder.safetensors', Buffer.from('x')]]);
  for (const file of own) files.set(file, await readFile(join(fixture, file)));
  const hub = await FakeHub.start(files);
  hubs.push(hub);
  const to = target();
  await pull(hub, { to });
  expect(await tree(to)).toEqual(own);
  expect((await openTinyAutoencoder(to)).config.latent_channels).toBe(4);
});

describe('pulling a folder', () => {
  it('downloads only what opens here, with progress', async () => {
    const hub = await hubOf('sd15', {
      'README.md': 'x',
      'unet/diffusion_pytorch_model.bin': Buffer.alloc(20_000),
      'unet/diffusion_pytorch_model.fp16.safetensors': Buffer.alloc(20_000),
      'safety_checker/model.safetensors': Buffer.alloc(20_000),
      'v1-5.safetensors': Buffer.alloc(20_000),
    });
    const to = target();
    const progress: Progress[] = [];
    const result = await pull(hub, { to }, { onProgress: (each) => progress.push(each) });
    expect(await tree(to)).toEqual((await tree(tinyFolder('sd15'))).sort());
    for (const path of result.files) expect(await readFile(join(to, path))).toEqual(hub.files.get(path));
    expect(result).toMatchObject({ path: to, commit: COMMIT, downloaded: result.bytes });
    expect(progress.at(-1)).toMatchObject({ step: Math.floor(result.bytes / 2 ** 20), steps: 1 });
    expect((await inspectModel(to)).ok).toBe(true);
  });

  it('downloads a variant if there is one, and shards by their index', async () => {
    const variant = target();
    const sd21 = await hubOf('sd21', { [UNET]: Buffer.alloc(20_000) });
    await pull(sd21, { to: variant, variant: 'fp16' });
    expect(await tree(variant)).not.toContain(UNET);
    expect((await inspectModel(variant)).ok).toBe(true);
    const sharded = target();
    await pull(await hubOf('refiner', { 'unet/diffusion_pytorch_model-00009-of-00009.safetensors': 'x' }), {
      to: sharded,
    });
    expect((await tree(sharded)).filter((path) => path.includes('-of-'))).toHaveLength(3);
    expect(await inspectModel(sharded)).toMatchObject({ architecture: 'sdxl-refiner', ok: true });
  });

  it('downloads only a part, such as the tokenizer that a single file lacks', async () => {
    const to = target();
    await pull(await hubOf('sd15', { 'tokenizer/added_tokens.json': '{"<sks>":614}' }), {
      to,
      only: ['tokenizer'],
    });
    expect(await tree(to)).toEqual([
      'tokenizer/added_tokens.json',
      'tokenizer/merges.txt',
      'tokenizer/special_tokens_map.json',
      'tokenizer/tokenizer_config.json',
      'tokenizer/vocab.json',
    ]);
  });

  it('downloads a single file and its config', async () => {
    const file = await readFile(tinySingleFile('sd21'));
    const hub = await hubOf('sd21', { 'v2.safetensors': file, 'v2.yaml': 'parameterization: "v"' });
    const to = target();
    const { path } = await pull(hub, { to, file: 'v2.safetensors' });
    expect(path).toBe(join(to, 'v2.safetensors'));
    expect(await tree(to)).toEqual(['v2.safetensors', 'v2.yaml']);
    expect(await readFile(path)).toEqual(file);
  });
});

describe('on a bad connection', () => {
  it.each(['a b#1.safetensors', 'is it?.safetensors', '100%25.safetensors'])(
    'downloads a single file called %s',
    async (file) => {
      const hub = await hubOf('sd15', { [file]: 'weights' });
      const { path } = await pull(hub, { file, to: target() });
      expect(await readFile(path, 'utf8')).toBe('weights');
    },
  );

  it('resumes at the byte where the connection broke', async () => {
    const hub = await hubOf('sd15');
    hub.mishaps.set(UNET, { cutAfter: 100_000, times: 2 });
    const to = target();
    const { bytes, downloaded } = await pull(hub, { to });
    const { length } = hub.files.get(UNET)!;
    const asked = hub.downloads.filter((each) => each.startsWith(UNET));
    expect(asked).toEqual([
      `${UNET} all`,
      `${UNET} bytes=100000-${length - 1}`,
      `${UNET} bytes=200000-${length - 1}`,
    ]);
    expect(downloaded).toBe(bytes);
    expect(await readFile(join(to, UNET))).toEqual(hub.files.get(UNET));
  });

  it('resumes after a stop, with the bytes on the disk', async () => {
    const hub = await hubOf('sd15');
    const to = target();
    const stop = new AbortController();
    hub.mishaps.set(UNET, { cutAfter: 100_000, times: 1 });
    const stopped = pull(
      hub,
      { to },
      {
        signal: stop.signal,
        onProgress: ({ phase }) =>
          phase.includes(UNET) && hub.asked.at(-1)!.range && stop.abort(new Error('stopped')),
      },
    );
    await expect(stopped).rejects.toThrow('stopped');
    expect(await tree(to)).not.toContain(UNET);
    hub.asked.length = 0;
    const { bytes, downloaded } = await pull(hub, { to });
    expect(downloaded).toBeLessThan(bytes - 99_000);
    expect(hub.downloads.filter((each) => each.endsWith(' all') && each.startsWith(UNET))).toEqual([]);
    expect((await inspectModel(to)).ok).toBe(true);
    expect((await tree(to)).filter((path) => path.endsWith('.part'))).toEqual([]);
  });

  it('deletes a file with another hash, says so, and succeeds the next time', async () => {
    for (const path of [UNET, 'unet/config.json']) {
      const hub = await hubOf('sd15');
      const to = target();
      hub.mishaps.set(path, { damaged: true });
      await expect(pull(hub, { to })).rejects.toMatchObject({
        code: 'HUB_HASH_MISMATCH',
        retryable: true,
        message: expect.stringContaining(path) as string,
      });
      expect((await tree(to)).filter((each) => each.includes('.part') || each === path)).toEqual([]);
      hub.mishaps.clear();
      await pull(hub, { to });
      expect((await inspectModel(to)).ok).toBe(true);
    }
  });

  it('gives up when no more data comes, and keeps what it has', async () => {
    const hub = await hubOf('sd15');
    const to = target();
    hub.mishaps.set(UNET, { cutAfter: 0, times: 100 });
    await expect(pull(hub, { to })).rejects.toMatchObject({
      code: 'HUB_UNREACHABLE',
      retryable: true,
      message: expect.stringMatching(/stopped at 0 of \d+ bytes.*Run the same command again/) as string,
    });
    expect(hub.downloads.filter((each) => each.startsWith(UNET))).toHaveLength(5);
  });

  it('works with a server without ranges', async () => {
    const hub = await hubOf('sd15');
    hub.ranges = false;
    hub.mishaps.set(UNET, { cutAfter: 100_000, times: 1 });
    const to = target();
    await pull(hub, { to });
    expect(await readFile(join(to, UNET))).toEqual(hub.files.get(UNET));
  });

  it('downloads nothing twice, and replaces damaged files', async () => {
    const hub = await hubOf('sd15');
    const to = target();
    await pull(hub, { to });
    hub.asked.length = 0;
    expect(await pull(hub, { to })).toMatchObject({ downloaded: 0 });
    expect(hub.downloads).toEqual([]);
    const bytes = Buffer.from(hub.files.get(UNET)!);
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(join(to, UNET), bytes);
    expect((await pull(hub, { to })).downloaded).toBe(bytes.length);
    expect(await readFile(join(to, UNET))).toEqual(hub.files.get(UNET));
  });
});

describe('access', () => {
  it('uses HF_TOKEN, which goes to the hub and not to its store', async () => {
    const hub = await hubOf('sd15');
    hub.token = 'hf_secret';
    await pull(hub, { to: target() }, {}, 'hf_secret');
    const store = hub.asked.filter(({ path }) => path.startsWith('/store/'));
    expect(store.length).toBeGreaterThan(0);
    expect(
      hub.asked.filter(({ path }) => !path.startsWith('/store/')).every((each) => each.authorization),
    ).toBe(true);
  });

  it.each(['', 'hf_wrong'])('that is refused says what to do, without the token (%s)', async (token) => {
    const hub = await hubOf('sd15');
    hub.token = 'hf_secret';
    const error: unknown = await pull(hub, { to: target() }, {}, token).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'HUB_FORBIDDEN' });
    expect(String(error)).toMatch(/Accept its licence.*HF_TOKEN/);
    expect(String(error)).not.toMatch(/hf_(wrong|secret)/);
  });

  it('refused for one file is not retried', async () => {
    const hub = await hubOf('sd15');
    hub.mishaps.set(UNET, { status: 403 });
    await expect(pull(hub, { to: target() })).rejects.toMatchObject({ code: 'HUB_FORBIDDEN' });
    expect(hub.downloads.filter((each) => each.startsWith(UNET))).toHaveLength(1);
  });

  it('needs a token and an address in the right form', () => {
    expect(() => hubSettings({ HF_TOKEN: 'secret' })).toThrow(/starts with hf_/);
    expect(() => hubSettings({ HF_TOKEN: 'secret' })).not.toThrow(/secret/);
    expect(() => hubSettings({ HF_ENDPOINT: 'ftp://hub' })).toThrow(/HF_ENDPOINT/);
    expect(hubSettings({})).toEqual({ endpoint: 'https://huggingface.co', token: null });
  });
});

describe('a repository without a model that opens here', () => {
  const cases: [string, Partial<PullOptions>, Record<string, string>, string, RegExp][] = [
    ['does not exist', { repo: 'owner/nothing' }, {}, 'HUB_NOT_FOUND', /no repository owner\/nothing/],
    ['leads out of the list of repositories', { repo: '../model' }, {}, 'REPO_INVALID', /owner\/name/],
    ['has no name of an owner', { repo: 'model' }, {}, 'REPO_INVALID', /owner\/name/],
    [
      'has another file',
      { file: 'x.safetensors' },
      { 'a.safetensors': '' },
      'HUB_NO_MODEL',
      /a\.safetensors/,
    ],
    ['has a pickle', { file: 'a.ckpt' }, { 'a.ckpt': '' }, 'MODEL_PICKLE', /may run code/],
  ];
  it.each(cases)('%s', async (_, options, files, code, message) => {
    const hub = await hubOf('sd15', files);
    await expect(pull(hub, { to: target(), ...options })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
    });
  });

  it('has single files, or pickles, or shards elsewhere', async () => {
    const serve = async (files: Record<string, string>) => {
      const hub = await FakeHub.start(
        new Map(Object.entries(files).map(([path, text]) => [path, Buffer.from(text)])),
      );
      hubs.push(hub);
      return pull(hub, { to: target() });
    };
    await expect(serve({ 'dream.safetensors': '' })).rejects.toMatchObject({
      code: 'HUB_NO_MODEL',
      message: expect.stringMatching(
        /n.t a diffusers folder; its single files \(--file\): dream\.safetensors/,
      ) as string,
    });
    await expect(serve({ 'model_index.json': '{}', 'unet/model.bin': '' })).rejects.toMatchObject({
      code: 'MODEL_PICKLE',
    });
    await expect(
      serve({
        'model_index.json': '{}',
        'unet/config.json': '{}',
        'unet/model.safetensors.index.json': '{"weight_map":{"a":"../x.safetensors"}}',
      }),
    ).rejects.toMatchObject({ code: 'MODEL_INDEX_INVALID' });
  });
});

it('krona model pull downloads a model that krona model check accepts', async () => {
  const hub = await hubOf('sd15');
  const before = { ...process.env };
  Object.assign(process.env, { HF_ENDPOINT: hub.endpoint, HF_TOKEN: '', KRONA_DATA: folder });
  try {
    const pulled = await krona('model', 'pull', 'owner/model', '--json');
    expect(pulled.code).toBe(0);
    const path = join(folder, 'models/model');
    expect(JSON.parse(pulled.stdout)).toMatchObject({ path, model: { architecture: 'sd1', ok: true } });
    expect(pulled.stderr).toMatch(/downloading unet\/.* 1\/1|downloading unet\//);
    const checked = await krona('model', 'check', path);
    expect(checked.stdout).toMatch(/sd1 \(Stable Diffusion 1\.x\)/);
    expect(checked.stdout).toMatch(/text_encoder +[\d,]+ parameters, F16/);
    expect((await krona('model', 'pull', 'owner/model', '--only', 'brain')).stderr).toMatch(/OPTION_INVALID/);
  } finally {
    process.env = before;
  }
});
