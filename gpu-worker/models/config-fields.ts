/** @file Reads fields of a model's JSON configs, with errors that say what was found and what is supported. */
import { KronaError } from '../../core/errors.ts';

export const isJsonObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const isInteger = (value: unknown, least = 0): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= least;

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

  /** A whole number of at least `least` (default 1). */
  integer(key: string, fallback?: number, least = 1): number {
    const value = this.#value(key, fallback);
    if (!isInteger(value, least)) throw this.invalid(key, `a whole number of at least ${least}`);
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

  /** A list of whole numbers of at least 1. */
  integers(key: string, fallback: readonly number[]): readonly number[] {
    const value = this.#value(key, fallback);
    const list: readonly unknown[] = Array.isArray(value) ? value : [];
    if (list.length === 0 || !list.every((n) => isInteger(n, 1)))
      throw this.invalid(key, 'a list of whole numbers of at least 1');
    return list;
  }

  /** `length` whole numbers; a single number applies to all. */
  perBlock(key: string, length: number, fallback: number): readonly number[] {
    const value = this.#value(key, fallback);
    if (!Array.isArray(value)) return new Array<number>(length).fill(this.integer(key, fallback));
    if (value.some(Array.isArray)) throw this.unsupported(key, 'a number, or one number a block');
    const list = this.integers(key, []);
    if (list.length !== length) throw this.invalid(key, `a number, or ${length} of them (one a block)`);
    return list;
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
      `${this.where}: "${key}" is ${JSON.stringify(this.get(key))}; expected ${expected}.`,
    );
  }

  unsupported(key: string, supported: string): KronaError {
    return new KronaError(
      'MODEL_CONFIG_UNSUPPORTED',
      `${this.where}: "${key}" is ${JSON.stringify(this.get(key))}; supported: ${supported}.`,
    );
  }
}
