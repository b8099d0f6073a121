/** @file The text encoders of a model, ready to encode prompts for the UNet. */
import { at } from '../../core/at.ts';
import type { WeightedSpan } from '../../core/prompts/weights.ts';
import type { PromptLength } from '../../core/records.ts';
import { compile } from '../graph/compile.ts';
import { devicePrecision } from '../graph/device.ts';
import * as op from '../graph/ops.ts';
import { Session, type Feeds } from '../graph/runtime.ts';
import { ARCHITECTURES } from './architecture.ts';
import { clipText, endPositions } from './clip-text.ts';
import type { ModelFolder } from './model-folder.ts';
import { frozenParameters, type Parameters } from './parameters.ts';
import type { ClipTextConfig } from './model-configs.ts';
import { checkVocabulary, loadTokenizer, type ClipTokenizer } from './tokenizer.ts';

export interface EncodedPrompt {
  /**
   * States of all encoders side by side, chunk after chunk [chunks·tokens, width]; which ones, the architecture says.
   */
  readonly states: Float32Array;
  /** The last encoder's pooled projection of the first chunk [pooledWidth]; empty where there is none (SD 1.x, 2.x). */
  readonly pooled: Float32Array;
}

/** One of a model's text encoders, compiled. */
interface OpenEncoder {
  readonly config: ClipTextConfig;
  readonly tokenizer: ClipTokenizer;
  readonly session: Session<{ readonly states: Float32Array; readonly pooled?: Float32Array }>;
}

/** A prompt as text, or in parts with weights. */
export type Prompt = string | readonly WeightedSpan[];

/**
 * The chunks of a prompt for each text encoder, equally many: where one needs more than another, empty ones follow the
 * other's.
 */
export function promptChunks(prompt: Prompt, tokenizers: readonly ClipTokenizer[]): Int32Array[][] {
  const split = tokenizers.map((tokenizer) => tokenizer.chunks(prompt).chunks);
  const most = Math.max(...split.map((chunks) => chunks.length));
  return split.map((chunks, n) => {
    const empty = at(tokenizers, n).encode('');
    return [...chunks, ...Array<Int32Array>(most - chunks.length).fill(empty)];
  });
}

/** Each text encoder of a model with its tokenizer. @throws KronaError MODEL_FILE_MISSING, MODEL_TOKENIZER_MISMATCH */
export async function loadTokenizers({ textEncoders, tokenizers }: ModelFolder) {
  return Promise.all(
    textEncoders.map(async (encoder, i) => {
      const tokenizer = await loadTokenizer(tokenizers[i] ?? tokenizers[0]);
      checkVocabulary(tokenizer, encoder);
      return { encoder, tokenizer };
    }),
  );
}

export class TextEncoder {
  /** Tokens of a chunk, padding included. */
  readonly tokens: number;
  /** Width of the states: the UNet's cross_attention_dim. */
  readonly width: number;
  /** Width of the pooled text; 0 without it. */
  readonly #pooledWidth: number;
  readonly #encoders: readonly OpenEncoder[];

  private constructor(model: ModelFolder, encoders: readonly OpenEncoder[]) {
    this.#encoders = encoders;
    this.#pooledWidth = model.textEncoders.at(-1)?.config.projection_dim ?? 0;
    this.tokens = encoders[0]?.tokenizer.length ?? 0;
    this.width = model.textEncoders.reduce((sum, { config }) => sum + config.hidden_size, 0);
  }

  /**
   * @param adapted changes an encoder's parameters; `prefix` is its folder and a dot
   * @throws KronaError MODEL_TENSOR_*, MODEL_FILE_MISSING, MODEL_TOKENIZER_MISMATCH
   */
  static async open(
    model: ModelFolder,
    adapted: (p: Parameters, prefix: string) => Parameters = (p) => p,
  ): Promise<TextEncoder> {
    const tokenizers = await loadTokenizers(model);
    const { textStates } = ARCHITECTURES[model.architecture];
    const encoders: OpenEncoder[] = [];
    for (const { encoder, tokenizer } of tokenizers) {
      const { name, config, tensors } = encoder;
      const ids = op.input('ids', [1, tokenizer.length], 'int64');
      const parameters = adapted(frozenParameters(name, tensors), `${name}.`);
      const outputs = clipText(config, parameters, ids, op.input('end', [1, tokenizer.length]));
      const states = outputs[textStates];
      const wanted = outputs.pooled ? { states, pooled: outputs.pooled } : { states };
      const session = await Session.create(compile(wanted, { precision: devicePrecision('drawing') }));
      encoders.push({ config, tokenizer, session });
    }
    return new TextEncoder(model, encoders);
  }

  /**
   * Weights move the states of their tokens away from those of an empty prompt, or towards them, as in ComfyUI; the pooled
   * projection is that of the words without weights.
   *
   * @param adapter inputs of the changes by `adapted`
   */
  async encode(prompt: Prompt, adapter: Feeds = {}): Promise<EncodedPrompt> {
    const encoded = await this.#encodePlain(prompt, adapter);
    const weights = this.#encoders.map(({ tokenizer }) => tokenizer.chunks(prompt).weights);
    if (weights.every((each) => each === null)) return encoded;
    const { states: empty } = await this.#encodePlain('', adapter);
    let column = 0;
    for (const [n, { config }] of this.#encoders.entries()) {
      for (const [chunk, ofTokens] of (weights[n] ?? []).entries())
        for (const [token, weight] of ofTokens.entries()) {
          if (weight === 1) continue;
          const from = token * this.width + column;
          const place = chunk * this.tokens * this.width + from;
          const states = encoded.states.subarray(place, place + config.hidden_size);
          for (const [i, state] of states.entries())
            states[i] = at(empty, from + i) + weight * (state - at(empty, from + i));
        }
      column += config.hidden_size;
    }
    return encoded;
  }

  async #encodePlain(prompt: Prompt, adapter: Feeds): Promise<EncodedPrompt> {
    const split = this.#split(prompt);
    const chunks = at(split, 0).length;
    const states = new Float32Array(chunks * this.tokens * this.width);
    let pooled: Float32Array = new Float32Array();
    let column = 0;
    for (const [n, { config, session }] of this.#encoders.entries()) {
      const width = config.hidden_size;
      for (const [chunk, ids] of at(split, n).entries()) {
        const outputs = await session.run({
          ...adapter,
          ids: BigInt64Array.from(ids, BigInt),
          ...(config.projection_dim === null ? {} : { end: endPositions(config, [ids]) }),
        });
        for (let token = 0; token < this.tokens; token++) {
          const state = outputs.states.subarray(token * width, (token + 1) * width);
          states.set(state, (chunk * this.tokens + token) * this.width + column);
        }
        if (chunk === 0) pooled = outputs.pooled ?? pooled;
      }
      column += width;
    }
    return { states, pooled };
  }

  /** How many tokens a prompt has, and in how many chunks it is read. */
  measure(prompt: Prompt): PromptLength {
    const tokens = this.#encoders.map(({ tokenizer }) => tokenizer.chunks(prompt).tokens);
    return { tokens: Math.max(...tokens), chunks: at(this.#split(prompt), 0).length };
  }

  /** In how many chunks an encoded prompt was read. */
  chunksOf({ states }: EncodedPrompt): number {
    return states.length / (this.tokens * this.width);
  }

  #split(prompt: Prompt): Int32Array[][] {
    return promptChunks(
      prompt,
      this.#encoders.map(({ tokenizer }) => tokenizer),
    );
  }

  /** What stands for no prompt at all, where the model asks for zeros: one chunk. */
  zeros(): EncodedPrompt {
    return {
      states: new Float32Array(this.tokens * this.width),
      pooled: new Float32Array(this.#pooledWidth),
    };
  }

  async release(): Promise<void> {
    for (const { session } of this.#encoders) await session.release();
  }
}
