/**
 * Models, tokenizers and hubs of strangers: every number has a bound, and what lies beyond one is refused with a code
 * before anything is computed with it.
 */
import { execFileSync } from 'node:child_process';
import { cp, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inspectAdapter } from '../../gpu-worker/adapters/files/inspect.ts';
import { describeError } from '../../core/errors.ts';
import { KeyedRandom } from '../../core/random.ts';
import { pullModel } from '../../gpu-worker/models/hub/pull.ts';
import { checkModel } from '../../gpu-worker/models/model-check.ts';
import { openSafetensors } from '../../gpu-worker/models/safetensors.ts';
import { inspectSampling } from '../../gpu-worker/sampling/inspect-sampling.ts';
import { loadTokenizer } from '../../gpu-worker/models/tokenizer.ts';
import { TINY_MODEL } from '../helpers/fixtures.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-strangers-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A copy of the tiny model with one JSON file changed. */
async function changed(file: string, change: (json: Record<string, unknown>) => unknown): Promise<string> {
  const model = await mkdtemp(join(folder, 'model-'));
  await cp(TINY_MODEL, model, { recursive: true });
  const json = JSON.parse(await readFile(join(model, file), 'utf8')) as Record<string, unknown>;
  await writeFile(join(model, file), JSON.stringify(change(json)));
  return model;
}

const withFields = (fields: Record<string, unknown>) => (json: Record<string, unknown>) => ({
  ...json,
  ...fields,
});

describe('a config', () => {
  it.each([
    ['unet/config.json', { layers_per_block: 1e9 }],
    ['unet/config.json', { layers_per_block: [1, 1e9, 1] }],
    ['unet/config.json', { transformer_layers_per_block: 1e9 }],
    ['unet/config.json', { transformer_layers_per_block: [1, [1e9], 1] }],
    ['unet/config.json', { transformer_layers_per_block: [1, Array<number>(1e5).fill(1), 1] }],
    ['unet/config.json', { reverse_transformer_layers_per_block: [1e9, 1, 1] }],
    ['unet/config.json', { time_cond_proj_dim: 1e9 }],
    ['unet/config.json', { block_out_channels: Array<number>(1e5).fill(32) }],
    ['unet/config.json', { norm_num_groups: 1e15 }],
    ['vae/config.json', { layers_per_block: 1e9 }],
    ['vae/config.json', { latent_channels: 1e12 }],
    ['text_encoder/config.json', { num_hidden_layers: 1e9 }],
    ['text_encoder_2/config.json', { max_position_embeddings: 1e9 }],
    ['text_encoder/config.json', { max_position_embeddings: 65_536 }],
    ['text_encoder/config.json', { vocab_size: 1e12 }],
  ])('%s with %j is refused', async (file, fields) => {
    const { problems } = await checkModel(await changed(file, withFields(fields)));
    expect(problems[0]).toMatchObject({ code: 'MODEL_CONFIG_INVALID' });
    expect(problems[0]!.message.length).toBeLessThan(400);
  });

  it.each([
    ['scheduler/scheduler_config.json', { _class_name: 'a'.repeat(1e6) }],
    ['tokenizer/tokenizer_config.json', { bos_token: 'a'.repeat(1e6) }],
    ['tokenizer/tokenizer_config.json', { pad_token: { content: 'a'.repeat(1e6) } }],
    ['tokenizer/tokenizer_config.json', { model_max_length: 9000 }],
  ])('%s with a value of any length is told in a short sentence', async (file, fields) => {
    const { problems } = await inspectSampling(await changed(file, withFields(fields)));
    expect(problems).toHaveLength(1);
    expect(problems[0]!.message.length).toBeLessThan(400);
    expect(problems[0]!.code).toMatch(
      /^(SCHEDULER_UNSUPPORTED|MODEL_CONFIG_INVALID|MODEL_TOKENIZER_MISMATCH)$/,
    );
  });

  it('of megabytes is refused without reading', async () => {
    const model = await changed('unet/config.json', withFields({ padding: ' '.repeat(3_000_000) }));
    expect((await checkModel(model)).problems[0]).toMatchObject({ code: 'FILE_TOO_LARGE' });
  });

  it('that is a named pipe is missing, not waited for', async () => {
    const model = await changed('unet/config.json', (json) => json);
    await rm(join(model, 'unet/config.json'));
    execFileSync('mkfifo', [join(model, 'unet/config.json')]);
    expect((await checkModel(model)).problems[0]).toMatchObject({ code: 'MODEL_FILE_MISSING' });
  });
});

describe('a tokenizer.json', () => {
  const tokenizer = (change: (json: Record<string, unknown>) => unknown) =>
    changed('tokenizer_2/tokenizer.json', change).then((model) => loadTokenizer(join(model, 'tokenizer_2')));
  const split = (Regex: string) => ({
    pre_tokenizer: { type: 'Split', pattern: { Regex }, behavior: 'Removed', invert: true },
  });

  it.each([
    ['an expression of exponential time', split('(\\w+\\s?)+$')],
    [
      'an expression that it replaces',
      { normalizer: { type: 'Replace', pattern: { Regex: '(a+)+$' }, content: ' ' } },
    ],
    [
      'text that it inserts',
      { normalizer: { type: 'Replace', pattern: { Regex: '\\s+' }, content: 'x'.repeat(1e5) } },
    ],
    ['another step', { pre_tokenizer: { type: 'Metaspace' } }],
    ['another model', { model: { type: 'Unigram', vocab: [['a', 0]] } }],
    ['ids beyond all', { added_tokens: [{ id: 1e15, content: '<|startoftext|>' }] }],
  ])('with %s is refused', async (_, fields) => {
    await expect(tokenizer(withFields(fields))).rejects.toMatchObject({
      code: 'MODEL_TOKENIZER_UNSUPPORTED',
    });
  });

  it('beside merges.txt of more lines than any vocabulary has is refused', async () => {
    const tokenizerFolder = join(await changed('model_index.json', (json) => json), 'tokenizer');
    await writeFile(join(tokenizerFolder, 'merges.txt'), 'a b\n'.repeat(300_000));
    await expect(loadTokenizer(tokenizerFolder)).rejects.toMatchObject({ code: 'MODEL_CONFIG_INVALID' });
    await writeFile(join(tokenizerFolder, 'merges.txt'), '\n'.repeat(9e6));
    await expect(loadTokenizer(tokenizerFolder)).rejects.toMatchObject({ code: 'FILE_TOO_LARGE' });
  });

  it("with CLIP's own steps is read, in any version", async () => {
    const own = await tokenizer((json) => json);
    const older = await tokenizer(
      withFields({
        pre_tokenizer: {
          type: 'Sequence',
          pretokenizers: [
            split("'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+").pre_tokenizer,
            { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
          ],
        },
      }),
    );
    expect(older.encode("a photo of mochi's 3 cats!")).toEqual(own.encode("a photo of mochi's 3 cats!"));
  });
});

describe('a .safetensors header', () => {
  async function file(header: string | Buffer, size?: number): Promise<string> {
    const path = join(await mkdtemp(join(folder, 'file-')), 'x.safetensors');
    const handle = await open(path, 'w');
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(size ?? header.length));
    await handle.write(length);
    await handle.write(Buffer.from(header));
    if (size !== undefined) await handle.truncate(8 + size);
    await handle.close();
    return path;
  }
  const tensor = (shape: unknown) => ({ dtype: 'F32', shape, data_offsets: [0, 0] });

  it.each([
    ['of 50 MB', '{}', 50_000_000],
    [
      'with a million fields',
      `{"__metadata__":{${Array.from({ length: 1e6 }, (_, i) => `"${i}":""`).join()}}}`,
    ],
    ['that is nested deeply', `{"a":${'['.repeat(1e6)}${']'.repeat(1e6)}}`],
    ['with a thousand axes', JSON.stringify({ a: tensor(Array<number>(1000).fill(0)) })],
    ['with a name of 100 kB', JSON.stringify({ ['a'.repeat(1e5)]: tensor([0]) })],
  ])('%s is refused in a short sentence', async (_, header, size?: number) => {
    const error: unknown = await openSafetensors(await file(header, size)).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'SAFETENSORS_INVALID' });
    expect(describeError(error).message.length).toBeLessThan(400);
  });

  it('from a named pipe is refused without waiting', async () => {
    const path = join(folder, 'pipe.safetensors');
    execFileSync('mkfifo', [path]);
    await expect(openSafetensors(path)).rejects.toMatchObject({ code: 'SAFETENSORS_INVALID' });
  });
});

describe('a hub', () => {
  const COMMIT = 'c'.repeat(40);
  const HASH = 'a'.repeat(40);

  /** What comes of a hub that lists these files. */
  async function pulled(files: readonly object[], sha: string = COMMIT): Promise<unknown> {
    const server = createServer((request, response) => {
      const body = request.url?.includes('/tree/') ? files : { _id: '1', id: 'o/m', modelId: 'o/m', sha };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const to = join(folder, 'a', 'b', 'to');
    try {
      return await pullModel({ repo: 'o/m', revision: 'main', to }, { endpoint, token: null }).catch(
        (error: unknown) => error,
      );
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }
  const file = (fields: object) => [
    { type: 'file', path: 'model_index.json', size: 2, oid: HASH, ...fields },
  ];

  it.each([
    ['a hash that is a path', file({ oid: '../../../../evil' })],
    ['a hash of another length', file({ oid: 'abc' })],
    ['a large file’s hash that is a path', file({ lfs: { oid: '../../evil', size: 2, pointerSize: 1 } })],
    ['a path that leads out', file({ path: '../evil.json' })],
    ['an absolute path', file({ path: '/etc/evil.json' })],
    ['a path of Windows', file({ path: 'unet\\..\\evil.json' })],
    ['a path with a line break', file({ path: 'unet/a\nb.json' })],
    ['a size below nothing', file({ size: -5 })],
    ['a size that is no number', file({ size: '5' })],
  ])('that lists %s is refused', async (_, files) => {
    expect(await pulled(files)).toMatchObject({ code: 'HUB_ANSWER_INVALID' });
  });

  it('whose commit is a path is refused', async () => {
    expect(await pulled(file({}), '../../x')).toMatchObject({ code: 'HUB_ANSWER_INVALID' });
  });

  /** What comes of a hub that answers requests for its list so, and what reached it. */
  async function pulledFrom(list: (response: ServerResponse, own: string) => void) {
    const asked: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      asked.push(request.headers.authorization);
      response.setHeader('content-type', 'application/json');
      if (request.url?.includes('/revision/'))
        response.end(JSON.stringify({ _id: '1', id: 'o/m', sha: COMMIT }));
      else list(response, endpoint);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const to = join(folder, 'listed');
    const error: unknown = await pullModel(
      { repo: 'o/m', revision: 'main', to },
      { endpoint, token: 'hf_secret' },
    ).catch((caught: unknown) => caught);
    server.closeAllConnections();
    server.close();
    return { error, asked };
  }

  it('whose list of folders has no end is refused', async () => {
    const { error, asked } = await pulledFrom((response, own) =>
      response
        .setHeader('link', `<${own}/api/models/o/m/tree/${COMMIT}?cursor=1>; rel="next"`)
        .end(JSON.stringify([{ type: 'directory', path: 'unet', size: 0, oid: HASH }])),
    );
    expect(error).toMatchObject({ code: 'HUB_ANSWER_INVALID' });
    expect(asked.length).toBeLessThan(300);
  });

  it('whose list is too long to hold is refused', async () => {
    const { error } = await pulledFrom((response) => response.end(`[${' '.repeat(2 ** 25)}]`));
    expect(error).toMatchObject({ code: 'HUB_ANSWER_INVALID' });
  });

  it("whose list continues at another address doesn't get the token there", async () => {
    const other = createServer((request, response) => {
      tokens.push(request.headers.authorization ?? null);
      response.setHeader('content-type', 'application/json').end('[]');
    });
    const tokens: (string | null)[] = [];
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    const { asked } = await pulledFrom((response) =>
      response.setHeader('link', `<http://127.0.0.1:${port}/next>; rel="next"`).end('[]'),
    );
    other.close();
    expect(asked).toEqual(['Bearer hf_secret', 'Bearer hf_secret']);
    expect(tokens).toEqual([null]);
  });
});

describe('random damage to a file', () => {
  /** Some bytes of a file replaced, its end cut, or a number of its header made large. */
  function mutated(bytes: Buffer, random: KeyedRandom): Buffer {
    const copy = Buffer.from(bytes);
    const kind = random.integer(4);
    if (kind === 0) return copy.subarray(0, random.integer(copy.length));
    if (kind === 1) {
      for (let i = 0; i < 8; i++) copy[random.integer(copy.length)] = random.integer(256);
      return copy;
    }
    const text = copy.toString('latin1');
    const numbers = [...text.matchAll(/\d+/g)];
    const chosen = numbers[random.integer(numbers.length)];
    if (chosen === undefined) return copy;
    const large =
      ['0', '-1', '1e9', '1e308', '9007199254740993', '[]', '{}', 'null', '"../../x"'][random.integer(9)] ??
      '';
    const at = chosen.index;
    return Buffer.from(text.slice(0, at) + large + text.slice(at + chosen[0].length), 'latin1');
  }

  it.each([
    'adapters/lycoris-lokr-low-rank.safetensors',
    'adapters/kohya-lora.safetensors',
    'foreign/loha-tucker.safetensors',
    'foreign/boft.safetensors',
  ])('%s ends in a coded error or in the adapter', async (name) => {
    const bytes = await readFile(join(import.meta.dirname, '../fixtures', name));
    const random = new KeyedRandom(7, name);
    for (let i = 0; i < 60; i++) {
      const path = join(folder, 'mutated.safetensors');
      await writeFile(path, mutated(bytes, random));
      const error: unknown = await inspectAdapter(path).then(
        () => null,
        (thrown: unknown) => thrown,
      );
      if (error !== null) expect(describeError(error).code).not.toBe('INTERNAL');
    }
  });

  it.each([
    'model_index.json',
    'unet/config.json',
    'vae/config.json',
    'text_encoder/config.json',
    'tokenizer_2/tokenizer_config.json',
    'tokenizer/vocab.json',
  ])('of %s ends in a report', async (file) => {
    const model = await mkdtemp(join(folder, 'model-'));
    await cp(TINY_MODEL, model, { recursive: true });
    const bytes = await readFile(join(model, file));
    const random = new KeyedRandom(8, file);
    for (let i = 0; i < 12; i++) {
      await writeFile(join(model, file), mutated(bytes, random));
      const { problems } = await checkModel(model);
      for (const { code } of problems) expect(code).not.toBe('INTERNAL');
    }
  });
});
