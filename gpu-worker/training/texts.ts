/** @file What a run tells the UNet of its prompts: encoded once, or as ids for text encoders that are trained too. */
import type { Feeds } from '../graph/runtime.ts';
import { endPositions } from '../models/clip-text.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { TextEncoder, type EncodedPrompt } from '../models/text-encoder.ts';
import { loadTokenizer, type ClipTokenizer } from '../models/tokenizer.ts';

export interface TextRows {
  /** [R,S,D] */
  readonly states: Float32Array;
  /** [R,P]; empty where there is no pooled text. */
  readonly pooled: Float32Array;
}

export class Texts {
  /** S, tokens of a prompt. */
  readonly tokens: number;
  /** D, width of the states. */
  readonly width: number;
  readonly #model: ModelFolder;
  readonly #tokenizers: readonly ClipTokenizer[];
  readonly #encoded: ReadonlyMap<string, EncodedPrompt>;

  private constructor(
    model: ModelFolder,
    tokenizers: readonly ClipTokenizer[],
    encoder: TextEncoder,
    encoded: ReadonlyMap<string, EncodedPrompt>,
  ) {
    this.#model = model;
    this.#tokenizers = tokenizers;
    this.#encoded = encoded;
    this.tokens = encoder.tokens;
    this.width = encoder.width;
  }

  /** Encodes each prompt once; the text encoders are released after. */
  static async encode(model: ModelFolder, prompts: readonly string[]): Promise<Texts> {
    const encoder = await TextEncoder.open(model);
    try {
      const encoded = new Map<string, EncodedPrompt>();
      for (const prompt of new Set(prompts)) encoded.set(prompt, await encoder.encode(prompt));
      const tokenizers = await Promise.all(model.tokenizers.map(loadTokenizer));
      return new Texts(model, tokenizers, encoder, encoded);
    } finally {
      await encoder.release();
    }
  }

  /** @param prompts of each row, of those that were encoded */
  rows(prompts: readonly string[]): TextRows {
    const parts = prompts.map((prompt) => this.#encoded.get(prompt)!);
    return {
      states: joined(parts.map(({ states }) => states)),
      pooled: joined(parts.map(({ pooled }) => pooled)),
    };
  }

  /** What adapterGradient names `ids.N` and `end.N`, one row a prompt. */
  ids(prompts: readonly string[]): Feeds {
    const inputs = this.#model.textEncoders.flatMap(({ config }, n) => {
      const rows = prompts.map((prompt) => this.#tokenizers[n]!.encode(prompt));
      const ids = rows.flatMap((row) => Array.from(row, BigInt));
      return [
        [`ids.${n}`, BigInt64Array.from(ids)],
        [`end.${n}`, endPositions(config, rows)],
      ] as const;
    });
    return Object.fromEntries<Feeds[string]>(inputs);
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
