import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadTokenizer } from '../../../gpu-worker/models/tokenizer.ts';
import {
  trainModelVocabulary,
  trainVocabulary,
  writeTokenizers,
  type Vocabulary,
} from '../../../lab/pretrain/bpe.ts';
import type { PretrainData } from '../../../lab/pretrain/concepts.ts';
import { readPretrainData } from '../../../lab/pretrain/pretrain-config.ts';

let folder: string;
let data: PretrainData;
let vocabulary: Vocabulary;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-bpe-'));
  data = await readPretrainData();
  vocabulary = await trainModelVocabulary(data);
  await writeTokenizers(folder, vocabulary, data.tokenizer.maxLength);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the vocabulary', () => {
  it('merges the most frequent neighbours first, and ends when nothing is left', () => {
    const { vocab, merges } = trainVocabulary(
      new Map([
        ['hug pug hugs', 10],
        ['bun', 4],
      ]),
      1_000,
    );
    // hug 10, pug 10, hugs 10: "h u" occurs 20 times; of the ties after it, "g s" comes first.
    expect(merges).toEqual(['h u', 'g s</w>', 'hu g</w>', 'hu gs</w>', 'p u', 'pu g</w>', 'b u', 'bu n</w>']);
    expect(vocab['!']).toBe(0);
    expect(vocab['!</w>']).toBe(256);
    expect(vocab['hu']).toBe(512);
    expect(Object.keys(vocab)).toHaveLength(514 + 8);
    expect(vocab['<|endoftext|>']).toBe(521);
    expect(() => trainVocabulary(new Map(), 100)).toThrow(/at least 514/);
  });

  it('has the requested size and one token for each word of the captions', () => {
    expect(Object.keys(vocabulary.vocab)).toHaveLength(data.tokenizer.vocabularySize);
    const words = [
      ...data.concepts.flatMap(({ word, also = [] }) => [word, ...also]),
      ...data.styles.map(({ word }) => word),
      ...data.backgrounds.map(({ name }) => name),
      'emoji on a background',
    ].flatMap((text) => text.match(/\p{L}+/gu) ?? []);
    expect(words.filter((word) => !(`${word}</w>` in vocabulary.vocab))).toEqual([]);
  });

  it('is read by the tokenizer of any model: whole words, spelled unknown words, the two paddings', async () => {
    const [first, second] = await Promise.all([
      loadTokenizer(join(folder, 'tokenizer')),
      loadTokenizer(join(folder, 'tokenizer_2')),
    ]);
    const id = (token: string) => vocabulary.vocab[token]!;
    const [start, end] = [id('<|startoftext|>'), id('<|endoftext|>')];
    expect(first.length).toBe(data.tokenizer.maxLength);
    const words = [start, id('a</w>'), id('flat</w>'), id('cat</w>'), end];
    expect([...first.encode('A flat  CAT')]).toEqual([
      ...words,
      ...Array<number>(first.length - 5).fill(end),
    ]);
    expect([...second.encode('A flat  CAT')]).toEqual([
      ...words,
      ...Array<number>(second.length - 5).fill(0),
    ]);
    const spelled = [...first.encode('zxqwv 猫')].indexOf(end);
    expect(spelled).toBeGreaterThan(5);
    expect([...first.encode('cat '.repeat(100))].at(-1)).toBe(end);
    const merges = await readFile(join(folder, 'tokenizer', 'merges.txt'), 'utf8');
    expect(merges.startsWith('#version')).toBe(true);
  });
});
