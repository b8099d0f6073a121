/** @file What a run tells the UNet of its prompts: encoded once, or as ids for text encoders that are trained too. */
import { at } from '../../core/at.ts';
import type { Feeds } from '../graph/runtime.ts';
import { endPositions } from '../models/clip-text.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { commonLength, repeated } from '../models/equal-lengths.ts';
import { loadTokenizers, promptChunks, TextEncoder, type EncodedPrompt } from '../models/text-encoder.ts';

export interface TextRows {
  /** S, tokens of each row: those of its prompt's chunks, repeated to one length. */
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
      for (const prompt of new Set(prompts)) encoded.set(prompt, await encoder.encode(prompt));
      return new Texts(await loadTokenizers(model), encoder, encoded);
    } finally {
      await encoder.release();
    }
  }

  /** @param prompts of each row, among the encoded ones */
  rows(prompts: readonly string[]): TextRows {
    const parts = prompts.map((prompt) => {
      const encoded = this.#encoded.get(prompt);
      if (!encoded) throw new RangeError(`the prompt “${prompt}” was not encoded`);
      return encoded;
    });
    const length = commonLength(parts.map(({ states }) => states.length));
    return {
      tokens: length / this.width,
      states: joined(parts.map(({ states }) => repeated(states, length))),
      pooled: joined(parts.map(({ pooled }) => pooled)),
    };
  }

  /** What adapterGradient names `ids.N` and `end.N`: of each prompt its chunks, repeated to as many as all have. */
  ids(prompts: readonly string[]): Feeds {
    const split = prompts.map((prompt) =>
      promptChunks(
        prompt,
        this.#tokenizers.map(({ tokenizer }) => tokenizer),
      ),
    );
    const most = commonLength(split.map((each) => at(each, 0).length));
    const feeds: Record<string, Feeds[string]> = {};
    for (const [n, { encoder }] of this.#tokenizers.entries()) {
      const rows = split.flatMap((each) => {
        const chunks = at(each, n);
        return Array.from({ length: most }, (_, chunk) => at(chunks, chunk % chunks.length));
      });
      feeds[`ids.${n}`] = BigInt64Array.from(rows.flatMap((row) => Array.from(row, BigInt)));
      feeds[`end.${n}`] = endPositions(encoder.config, rows);
    }
    return feeds;
  }
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const rows = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    rows.set(part, at);
    at += part.length;
  }
  return rows;
}
