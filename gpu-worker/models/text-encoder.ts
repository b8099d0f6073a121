/** @file The text encoders of a model, ready to turn prompts into what the UNet is told. */
import { compile } from '../graph/compile.ts';
import { devicePrecision } from '../graph/device.ts';
import * as op from '../graph/ops.ts';
import { Session, type Feeds } from '../graph/runtime.ts';
import { ARCHITECTURES } from './architecture.ts';
import { clipText, endPositions } from './clip-text.ts';
import type { ModelFolder } from './model-folder.ts';
import { frozenParameters, type Parameters } from './parameters.ts';
import { checkVocabulary, loadTokenizer, type ClipTokenizer } from './tokenizer.ts';

export interface EncodedPrompt {
  /** States of all encoders side by side [tokens, width]; which ones, the architecture says. */
  readonly states: Float32Array;
  /** The last encoder's pooled projection [pooledWidth]; empty where there is none (SD 1.x, 2.x). */
  readonly pooled: Float32Array;
}

export class TextEncoder {
  /** Tokens of every prompt, padding included. */
  readonly tokens: number;
  /** Width of the states: the UNet's cross_attention_dim. */
  readonly width: number;
  readonly #model: ModelFolder;
  readonly #tokenizers: readonly ClipTokenizer[];
  readonly #sessions: readonly Session[];

  private constructor(
    model: ModelFolder,
    tokenizers: readonly ClipTokenizer[],
    sessions: readonly Session[],
  ) {
    this.#model = model;
    this.#tokenizers = tokenizers;
    this.#sessions = sessions;
    this.tokens = tokenizers[0]!.length;
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
    const tokenizers = await Promise.all(model.tokenizers.map(loadTokenizer));
    tokenizers.forEach((tokenizer, i) => checkVocabulary(tokenizer, model.textEncoders[i]!));
    const { textStates } = ARCHITECTURES[model.architecture];
    const sessions: Session[] = [];
    for (const [i, { name, config, tensors }] of model.textEncoders.entries()) {
      const { length } = tokenizers[i]!;
      const ids = op.input('ids', [1, length], 'int64');
      const parameters = adapted(frozenParameters(name, tensors), `${name}.`);
      const outputs = clipText(config, parameters, ids, op.input('end', [1, length]));
      const wanted = { states: outputs[textStates], ...(outputs.pooled ? { pooled: outputs.pooled } : {}) };
      sessions.push(await Session.create(compile(wanted, { precision: devicePrecision() })));
    }
    return new TextEncoder(model, tokenizers, sessions);
  }

  /** @param adapter what `adapted` takes as inputs */
  async encode(prompt: string, adapter: Feeds = {}): Promise<EncodedPrompt> {
    const states = new Float32Array(this.tokens * this.width);
    let pooled = new Float32Array();
    let column = 0;
    for (const [i, session] of this.#sessions.entries()) {
      const { config } = this.#model.textEncoders[i]!;
      const ids = this.#tokenizers[i]!.encode(prompt);
      const feeds = {
        ...adapter,
        ids: BigInt64Array.from(ids, BigInt),
        ...(config.projection_dim === null ? {} : { end: endPositions(config, [ids]) }),
      };
      const outputs = (await session.run(feeds)) as Record<string, Float32Array<ArrayBuffer>>;
      const width = config.hidden_size;
      for (let token = 0; token < this.tokens; token++) {
        states.set(
          outputs['states']!.subarray(token * width, (token + 1) * width),
          token * this.width + column,
        );
      }
      column += width;
      pooled = outputs['pooled'] ?? pooled;
    }
    return { states, pooled };
  }

  /** What stands for no prompt at all, where the model asks for zeros. */
  zeros(): EncodedPrompt {
    const pooled = this.#model.textEncoders.at(-1)!.config.projection_dim ?? 0;
    return { states: new Float32Array(this.tokens * this.width), pooled: new Float32Array(pooled) };
  }

  async release(): Promise<void> {
    for (const session of this.#sessions) await session.release();
  }
}
