/** @file What a run tells the UNet of its prompts: encoded once, or as ids for text encoders that are trained too. */
import { concatenated } from '../../core/concatenated.ts';
import { at } from '../../core/at.ts';
import type { Feeds } from '../graph/runtime.ts';
import { endPositions } from '../models/clip-text.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { chunkAt, commonChunks, lengthened } from '../models/equal-lengths.ts';
import { loadTokenizers, promptChunks, TextEncoder, type EncodedPrompt } from '../models/text-encoder.ts';

/** As far as the prompts of a batch are repeated: every row of a step holds them with their gradients. */
const MOST_CHUNKS = 16;

export interface TextRows {
  /** S, tokens of each row: those of its prompt's chunks, filled up to one length. */
  readonly tokens: number;
  /** [R,S,D] */
  readonly states: Float32Array;
  /** [R,P]; empty without pooled text. */
  readonly pooled: Float32Array;
}

type Tokenizers = Awaited<ReturnType<typeof loadTokenizers>>;

export class Texts {
  /** Tokens of a chunk of a prompt. */
  readonly chunkTokens: number;
  /** D, width of the states. */
  readonly width: number;
  readonly #tokenizers: Tokenizers;
  readonly #encoded: ReadonlyMap<string, EncodedPrompt>;

  private constructor(
    tokenizers: Tokenizers,
    encoder: TextEncoder,
    encoded: ReadonlyMap<string, EncodedPrompt>,
  ) {
    this.#tokenizers = tokenizers;
    this.#encoded = encoded;
    this.chunkTokens = encoder.tokens;
    this.width = encoder.width;
  }

  /** Encodes each prompt once, then releases the text encoders. */
  static async encode(model: ModelFolder, prompts: readonly string[]): Promise<Texts> {
    const encoder = await TextEncoder.open(model);
    try {
      const encoded = new Map<string, EncodedPrompt>();
      // The empty one fills up shorter prompts.
      for (const prompt of new Set([...prompts, ''])) encoded.set(prompt, await encoder.encode(prompt));
      return new Texts(await loadTokenizers(model), encoder, encoded);
    } finally {
      await encoder.release();
    }
  }

  /** @param prompts of each row, among the encoded ones */
  rows(prompts: readonly string[]): TextRows {
    const parts = prompts.map((prompt) => this.#of(prompt));
    const empty = this.#of('').states;
    const all = commonChunks(
      parts.map(({ states }) => states.length / empty.length),
      MOST_CHUNKS,
    );
    return {
      tokens: all * this.chunkTokens,
      states: concatenated(parts.map(({ states }) => lengthened(states, all, empty))),
      pooled: concatenated(parts.map(({ pooled }) => pooled)),
    };
  }

  #of(prompt: string): EncodedPrompt {
    const encoded = this.#encoded.get(prompt);
    if (!encoded) throw new RangeError(`the prompt “${prompt}” was not encoded`);
    return encoded;
  }

  /** What adapterGradient names `ids.N` and `end.N`: the chunks of each prompt, as many for all as in `rows`. */
  ids(prompts: readonly string[]): Feeds {
    const tokenizers = this.#tokenizers.map(({ tokenizer }) => tokenizer);
    const split = prompts.map((prompt) => promptChunks(prompt, tokenizers));
    const all = commonChunks(
      split.map((each) => at(each, 0).length),
      MOST_CHUNKS,
    );
    const feeds: Record<string, Feeds[string]> = {};
    for (const [n, { encoder, tokenizer }] of this.#tokenizers.entries()) {
      const empty = tokenizer.encode('');
      const rows = split.flatMap((each) => {
        const chunks = at(each, n);
        return Array.from({ length: all }, (_, place) => {
          const chunk = chunkAt(chunks.length, all, place);
          return chunk === null ? empty : at(chunks, chunk);
        });
      });
      feeds[`ids.${n}`] = BigInt64Array.from(rows.flatMap((row) => Array.from(row, BigInt)));
      feeds[`end.${n}`] = endPositions(encoder.config, rows);
    }
    return feeds;
  }
}
