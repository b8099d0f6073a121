/** @file The text encoders of a model, ready to encode prompts for the UNet. */
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
  /** States of all encoders side by side [tokens, width]; the architecture decides which states. */
  readonly states: Float32Array;
  /** The last encoder's pooled projection [pooledWidth]; empty without one (SD 1.x, 2.x). */
  readonly pooled: Float32Array;
}

/** One of a model's text encoders, compiled. */
interface OpenEncoder {
  readonly config: ClipTextConfig;
  readonly tokenizer: ClipTokenizer;
  readonly session: Session<{ readonly states: Float32Array; readonly pooled?: Float32Array }>;
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
  /** Tokens of every prompt, padding included. */
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
      const session = await Session.create(compile(wanted, { precision: devicePrecision() }));
      encoders.push({ config, tokenizer, session });
    }
    return new TextEncoder(model, encoders);
  }

  /** @param adapter inputs of the changes by `adapted` */
  async encode(prompt: string, adapter: Feeds = {}): Promise<EncodedPrompt> {
    const states = new Float32Array(this.tokens * this.width);
    let pooled: Float32Array = new Float32Array();
    let column = 0;
    for (const { config, tokenizer, session } of this.#encoders) {
      const ids = tokenizer.encode(prompt);
      const feeds = {
        ...adapter,
        ids: BigInt64Array.from(ids, BigInt),
        ...(config.projection_dim === null ? {} : { end: endPositions(config, [ids]) }),
      };
      const outputs = await session.run(feeds);
      const width = config.hidden_size;
      for (let token = 0; token < this.tokens; token++) {
        const state = outputs.states.subarray(token * width, (token + 1) * width);
        states.set(state, token * this.width + column);
      }
      column += width;
      pooled = outputs.pooled ?? pooled;
    }
    return { states, pooled };
  }

  /** The encoding of a missing prompt, for models that need zeros. */
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
