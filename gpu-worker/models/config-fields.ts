/** @file Reads fields of a model's JSON configs, with errors that say what was found and what is supported. */
import { KronaError } from '../../core/errors.ts';

export const isInteger = (value: unknown, least = 0, most = Infinity): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most;

/** Widths, counts and sizes of a model stay far below this; a text encoder's vocabulary has its own bound. */
const MOST = 1 << 16;
/** Blocks of a UNet or VAE: known models have 3 or 4. */
const MOST_BLOCKS = 8;
/** Attentions of a block: known models have up to 3. */
const MOST_LAYERS = 9;
/** Characters of a foreign value that a message repeats. */
const QUOTED = 80;

/** A foreign value as JSON, for a message: cut where it is long. */
export function quoted(value: unknown): string {
  const text = Array.isArray(value) && value.length > QUOTED ? value.slice(0, QUOTED) : value;
  const json = safeJson(text);
  return json.length > QUOTED ? `${json.slice(0, QUOTED)}…` : json;
}

/** JSON nested too deeply overflows the stack of its writer. */
function safeJson(value: unknown): string {
  try {
    return value === undefined ? 'undefined' : JSON.stringify(value);
  } catch {
    return typeof value;
  }
}

/** Lowest and highest number that a field takes. */
export interface Bounds {
  readonly least?: number;
  readonly most?: number;
}

/** Typed access to one JSON object. A field that is absent takes its default; null is a value like any other. */
export class ConfigFields {
  /** File name for messages, e.g. `unet/config.json`. */
  readonly where: string;
  readonly #raw: Readonly<Record<string, unknown>>;

  constructor(where: string, raw: Readonly<Record<string, unknown>>) {
    this.where = where;
    this.#raw = raw;
  }

  /** The same fields with some replaced. */
  with(changes: Readonly<Record<string, unknown>>): ConfigFields {
    return new ConfigFields(this.where, { ...this.#raw, ...changes });
  }

  /** The raw value; null when absent. */
  get(key: string): unknown {
    return this.#raw[key] === undefined ? null : this.#raw[key];
  }

  /** Whether the object has the field, be it null. */
  given(key: string): boolean {
    return this.#raw[key] !== undefined;
  }

  /** A whole number in bounds: from 1 to 65536 unless given. */
  integer(key: string, fallback?: number, { least = 1, most = MOST }: Bounds = {}): number {
    const value = this.#value(key, fallback);
    if (!isInteger(value, least, most)) throw this.invalid(key, `a whole number from ${least} to ${most}`);
    return value;
  }

  number(key: string, fallback?: number): number {
    const value = this.#value(key, fallback);
    if (typeof value !== 'number' || !Number.isFinite(value)) throw this.invalid(key, 'a number');
    return value;
  }

  /** null counts as false: the libraries only test whether such a field is true. */
  flag(key: string, fallback: boolean): boolean {
    const value = this.#value(key, fallback) ?? false;
    if (typeof value !== 'boolean') throw this.invalid(key, 'true or false');
    return value;
  }

  /** One of `supported`. */
  oneOf<const T extends string>(key: string, supported: readonly T[], fallback: T): T {
    const value = this.#value(key, fallback);
    const found = supported.find((one) => one === value);
    if (found === undefined) throw this.unsupported(key, supported.join(', '));
    return found;
  }

  /** A list of 1 to 8 whole numbers, one a block, from 1 to `most`. */
  integers(key: string, fallback: readonly number[], most = MOST): readonly number[] {
    const value = this.#value(key, fallback);
    const list: readonly unknown[] = Array.isArray(value) ? value : [];
    const few = list.length > 0 && list.length <= MOST_BLOCKS;
    if (!few || !list.every((n) => isInteger(n, 1, most)))
      throw this.invalid(key, `a list of 1 to ${MOST_BLOCKS} whole numbers from 1 to ${most}`);
    return list;
  }

  /** `length` whole numbers from 1 to `most`; a single one stands for all of them. */
  perBlock(key: string, length: number, fallback: number, most = MOST): readonly number[] {
    const value = this.#value(key, fallback);
    if (!Array.isArray(value)) return new Array<number>(length).fill(this.integer(key, fallback, { most }));
    if (value.some(Array.isArray)) throw this.unsupported(key, 'a number, or one number a block');
    const list = this.integers(key, [], most);
    if (list.length !== length) throw this.invalid(key, `a number, or ${length} of them (one a block)`);
    return list;
  }

  /**
   * As `perBlock`, where a block can also have a list of numbers, one a layer, and 0 is allowed: for a block that
   * doesn't use its number.
   */
  depths(
    key: string,
    length: number,
    fallback: number,
    most = MOST,
  ): readonly (number | readonly number[])[] {
    const value = this.#value(key, fallback);
    if (!Array.isArray(value)) return this.perBlock(key, length, fallback, most);
    const list: readonly unknown[] = value;
    const isDepth = (n: unknown): n is number => isInteger(n, 0, most);
    const isDepths = (n: unknown): n is readonly number[] =>
      Array.isArray(n) && n.length > 0 && n.length <= MOST_LAYERS && n.every(isDepth);
    const found = list.filter((n) => isDepth(n) || isDepths(n));
    if (list.length !== length || found.length !== length)
      throw this.invalid(
        key,
        `a number, or ${length} of them (one a block), or of lists with one a layer, each from 0 to ${most}`,
      );
    return found;
  }

  /** `length` names, each one of `supported`. */
  namesOf<const T extends string>(
    key: string,
    supported: readonly T[],
    length: number,
    fallback: readonly T[],
  ): readonly T[] {
    const value = this.#value(key, fallback);
    const names: readonly unknown[] = Array.isArray(value) ? value : [];
    if (names.length !== length) throw this.invalid(key, `${length} names (one for each block)`);
    const isSupported = (name: unknown): name is T => supported.some((one) => one === name);
    if (!names.every(isSupported)) throw this.unsupported(key, `a list of ${supported.join(', ')}`);
    return names;
  }

  /** Fields that change the model in unsupported ways must be as given (null: absent). */
  mustBe(expected: Readonly<Record<string, string | number | boolean | null>>): void {
    for (const [key, value] of Object.entries(expected)) {
      const found = this.#value(key, value);
      if (found !== value && !(found === null && value === false))
        throw this.unsupported(key, JSON.stringify(value));
    }
  }

  #value(key: string, fallback: unknown): unknown {
    return this.#raw[key] === undefined ? fallback : this.#raw[key];
  }

  invalid(key: string, expected: string): KronaError {
    return new KronaError(
      'MODEL_CONFIG_INVALID',
      `${this.where}: "${key}" is ${quoted(this.get(key))}; expected ${expected}.`,
    );
  }

  unsupported(key: string, supported: string): KronaError {
    return new KronaError(
      'MODEL_CONFIG_UNSUPPORTED',
      `${this.where}: "${key}" is ${quoted(this.get(key))}; supported: ${supported}.`,
    );
  }
}
