/** @file What the table of settings says of each of them, and the types that follow from it. */
import type { PictureSize } from './choices.ts';
import type { ValueOf, ValueSpec } from '../values.ts';

type Plain = string | number | boolean | null;

/** A default that depends on the model. Small: drawing at most SMALL_MODEL pixels a side; sdxl: large ones of SDXL. */
export interface ByModel<V extends Plain = Plain> {
  readonly small: V;
  readonly large: V;
  readonly sdxl?: V;
}

/** What may differ between the chat and the command line. */
type Bounds = Partial<Pick<ValueSpec, 'choices' | 'max'> & { readonly description: string }>;

export interface Setting extends Omit<ValueSpec, 'name' | 'type'> {
  readonly type: ValueSpec['type'] | 'size';
  /** At most 100 characters, as Discord shows it beside the option. */
  readonly description: string;
  /** A word for "not a value of your own": stored as null, and the model or the program decides. */
  readonly orWord?: string;
  /** What the word `auto` stands for: a value of this setting, and of others with it. */
  readonly auto?: Readonly<Record<string, Plain | ByModel>>;
  /** Words that the choices join with commas; people may type them in any order. */
  readonly parts?: readonly string[];
  /** Values to suggest where `choices` is not all that is allowed. */
  readonly suggestions?: readonly string[];
  /**
   * What a channel starts with, and what the command line takes where the option is missing. With `orWord` a channel
   * starts with null, and this is what the model's recipe has; null: the model or another option decides.
   */
  readonly default: Plain | ByModel;
  /** The option of `/krona settings`; missing: not in chat. */
  readonly chat?: { readonly name: string } & Bounds;
  /** The option of `krona train` or `krona imagine`; missing: not on the command line. */
  readonly cli?: {
    /** Without the dashes: `lr-schedule`. */
    readonly name: string;
    /** What help calls the value: `n`, `x`; missing for flags. */
    readonly value?: string;
    /** What help says of the default, where it is not the table's. */
    readonly default?: string;
  } & Bounds;
  /** For docs/training.md: when to use it and what it costs. */
  readonly about?: string;
  /** For docs/training.md: the paper or program that it follows. */
  readonly source?: string;
}

/** The type of a setting's stored value. */
export type SettingValue<S> =
  | (S extends { readonly type: 'size' }
      ? PictureSize
      : S extends { readonly type: ValueSpec['type'] }
        ? ValueOf<S>
        : never)
  | (S extends { readonly orWord: string } ? null : never);

/** `lr-schedule` → `lrSchedule`, as commander names options. */
export type CamelCase<Name extends string> = Name extends `${infer Word}-${infer Rest}`
  ? `${Word}${Capitalize<CamelCase<Rest>>}`
  : Name;
