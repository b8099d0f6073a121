/** @file The UNet's text inputs in a run: states encoded once, or ids for trained text encoders. */
import type { Feeds } from '../graph/runtime.ts';
import { endPositions } from '../models/clip-text.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { loadTokenizers, TextEncoder, type EncodedPrompt } from '../models/text-encoder.ts';

export interface TextRows {
  /** [R,S,D] */
  readonly states: Float32Array;
  /** [R,P]; empty without pooled text. */
  readonly pooled: Float32Array;
}

type Tokenizers = Awaited<ReturnType<typeof loadTokenizers>>;

export class Texts {
  /** S, tokens of a prompt. */
  readonly tokens: number;
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
    this.tokens = encoder.tokens;
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
    return {
      states: joined(parts.map(({ states }) => states)),
      pooled: joined(parts.map(({ pooled }) => pooled)),
    };
  }

  /** The inputs `ids.N` and `end.N` of adapterGradient, one row per prompt. */
  ids(prompts: readonly string[]): Feeds {
    const feeds: Record<string, Feeds[string]> = {};
    for (const [n, { encoder, tokenizer }] of this.#tokenizers.entries()) {
      const rows = prompts.map((prompt) => tokenizer.encode(prompt));
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
