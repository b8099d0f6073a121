import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clipTokenizer } from '../../core/package.ts';
import { checkVocabulary, loadTokenizer } from '../../gpu-worker/models/tokenizer.ts';
import { readClipTokenCases, readTokenCases, TINY_MODEL, TINY_TOKENIZERS } from '../helpers/fixtures.ts';

const HUB = join(TINY_MODEL, 'tokenizer');

describe.each([
  { files: 'vocab.json and merges.txt', folder: HUB, ids: 'ids' as const },
  { files: 'tokenizer.json', folder: join(TINY_TOKENIZERS, 'json-1'), ids: 'ids' as const },
  {
    files: 'vocab.json and merges.txt, padded with !',
    folder: join(TINY_TOKENIZERS, 'hub-2'),
    ids: 'ids2' as const,
  },
  { files: 'tokenizer.json, padded with !', folder: join(TINY_MODEL, 'tokenizer_2'), ids: 'ids2' as const },
])('a tokenizer of $files', ({ folder, ids }) => {
  it.each(readTokenCases())('gives the ids of transformers for "$prompt"', async (example) => {
    const tokenizer = await loadTokenizer(folder);
    expect([...tokenizer.encode(example.prompt)]).toEqual(example[ids]);
  });
});

it('CLIP’s own vocabulary gives the ids of transformers, with either padding', async () => {
  const [own, padded] = [
    await loadTokenizer(clipTokenizer),
    await loadTokenizer({ folder: clipTokenizer, pad: '!' }),
  ];
  expect(own.largestId).toBe(49_407);
  for (const { prompt, ids, ids2 } of readClipTokenCases()) {
    expect([...own.encode(prompt)], prompt).toEqual(ids);
    expect([...padded.encode(prompt)], prompt).toEqual(ids2);
  }
});

interface Added {
  readonly file: string;
  readonly content: unknown;
  readonly texts: readonly { readonly prompt: string; readonly ids: readonly number[] }[];
}
const added = JSON.parse(
  await readFile(join(import.meta.dirname, '../fixtures/sdxl-tiny/added-tokens.json'), 'utf8'),
) as Added[];

describe.each(added)('tokens that $file adds', ({ file, content, texts }) => {
  it('have the ids of transformers, in any context', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'krona-added-'));
    try {
      await cp(HUB, folder, { recursive: true });
      await writeFile(join(folder, file), JSON.stringify(content));
      const tokenizer = await loadTokenizer(folder);
      expect(tokenizer.largestId).toBe(615);
      for (const { prompt, ids } of texts)
        expect([...tokenizer.encode(prompt)].slice(0, ids.length), prompt).toEqual(ids);
      // A text encoder that was not made larger with them knows none of them.
      const encoder = (vocab_size: number) => ({
        name: 'text_encoder',
        config: { vocab_size, max_position_embeddings: 77 },
      });
      expect(() => checkVocabulary(tokenizer, encoder(616))).not.toThrow();
      expect(() => checkVocabulary(tokenizer, encoder(615))).toThrow(/up to 615.*knows 615/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('a damaged tokenizer folder', () => {
  let root: string;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'krona-tokenizer-'));
  });
  afterAll(() => rm(root, { recursive: true }));

  let copies = 0;
  async function copy(): Promise<string> {
    const path = join(root, `tokenizer-${copies++}`);
    await cp(HUB, path, { recursive: true });
    return path;
  }

  it('says which files are missing', async () => {
    const folder = await copy();
    await rm(join(folder, 'merges.txt'));
    await expect(loadTokenizer(folder)).rejects.toMatchObject({
      code: 'MODEL_FILE_MISSING',
      message: expect.stringContaining('merges.txt') as string,
    });
  });

  it('says which token the vocabulary lacks', async () => {
    const folder = await copy();
    const vocabulary = JSON.parse(await readFile(join(folder, 'vocab.json'), 'utf8')) as Record<
      string,
      number
    >;
    delete vocabulary['<|endoftext|>'];
    await writeFile(join(folder, 'vocab.json'), JSON.stringify(vocabulary));
    await expect(loadTokenizer(folder)).rejects.toMatchObject({
      code: 'MODEL_CONFIG_INVALID',
      message: expect.stringContaining('<|endoftext|>') as string,
    });
  });

  it("says which line of merges.txt isn't a pair", async () => {
    const folder = await copy();
    await writeFile(join(folder, 'merges.txt'), '#version: 0.2\nc a\nt\n');
    await expect(loadTokenizer(folder)).rejects.toMatchObject({
      code: 'MODEL_CONFIG_INVALID',
      message: expect.stringContaining('"t"') as string,
    });
  });

  it("says that tokenizer.json isn't a tokenizer", async () => {
    const folder = await copy();
    await writeFile(join(folder, 'tokenizer.json'), '{"version": "1.0"}');
    await expect(loadTokenizer(folder)).rejects.toMatchObject({ code: 'MODEL_TOKENIZER_UNSUPPORTED' });
  });

  it('says which added token has no id', async () => {
    const folder = await copy();
    await writeFile(join(folder, 'added_tokens.json'), '{"<sks>":"x"}');
    await expect(loadTokenizer(folder)).rejects.toMatchObject({
      code: 'MODEL_CONFIG_INVALID',
      message: expect.stringContaining('<sks>') as string,
    });
  });

  it('works without the two optional files, as CLIP does: 77 ids, padded with the end token', async () => {
    const folder = await copy();
    await rm(join(folder, 'tokenizer_config.json'));
    await rm(join(folder, 'special_tokens_map.json'));
    const tokenizer = await loadTokenizer(folder);
    expect([...tokenizer.encode('a photo of a cat')]).toEqual(readTokenCases()[0]!.ids);
  });

  it.each([10.5, '10', 1e30])('takes a length of %j for none', async (model_max_length) => {
    const folder = await copy();
    await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify({ model_max_length }));
    expect((await loadTokenizer(folder)).length).toBe(77);
  });

  it('uses a shorter length from the folder, end token included', async () => {
    const folder = await copy();
    const path = join(folder, 'tokenizer_config.json');
    const config = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
    await writeFile(path, JSON.stringify({ ...config, model_max_length: 5 }));
    const tokenizer = await loadTokenizer(folder);
    const [start, a, photo, of] = readTokenCases()[0]!.ids;
    expect([...tokenizer.encode('a photo of a cat')]).toEqual([start, a, photo, of, 613]);
  });
});
