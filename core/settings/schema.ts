/** @file The settings as one table, what a channel keeps of them, and how each is spelled. */
import type { Value, ValueSpec } from '../values.ts';
import { DRAW_SETTINGS } from './draw-table.ts';
import type { CamelCase, Setting, SettingValue } from './setting.ts';
import { TRAIN_SETTINGS } from './train-table.ts';

export const SETTINGS = { ...TRAIN_SETTINGS, ...DRAW_SETTINGS };
type Table = typeof SETTINGS;

/** Those of a table that chat has. */
type ChatKeys<T> = { [K in keyof T]: T[K] extends { readonly chat: object } ? K : never }[keyof T];

/** A channel's settings. Changed by `/krona settings`, used by the next train or imagine. */
export type ChannelSettings = { readonly [K in ChatKeys<Table>]: SettingValue<Table[K]> };
export type ChatSetting = keyof ChannelSettings;
/** The option that changes a setting. */
export type ChatName<Key extends ChatSetting> = Table[Key]['chat']['name'];

/** Only those of trainings. */
export type TrainSettings = Pick<ChannelSettings, ChatKeys<typeof TRAIN_SETTINGS>>;

/** What commander gives for the options of a table: those that were typed, checked. */
export type CliValues<T> = {
  [
    K in keyof T as T[K] extends { readonly cli: { readonly name: infer Name extends string } }
      ? CamelCase<Name>
      : never
  ]?: Exclude<SettingValue<T[K]>, null> | (T[K] extends { readonly auto: object } ? 'auto' : never);
};

/** A setting under the name and with the bounds that it has in one place. */
export type SpelledSetting = Setting & Pick<ValueSpec, 'name'>;

const chatIn = <T extends Readonly<Record<string, Setting>>>(table: T): readonly ChatKeys<T>[] =>
  Object.keys(table).filter((key): key is string & ChatKeys<T> => table[key]?.chat !== undefined);

/** The settings of trainings and of drawing that chat has, in the order in which they are shown. */
export const CHAT_SETTINGS = { train: chatIn(TRAIN_SETTINGS), draw: chatIn(DRAW_SETTINGS) } as const;
export const ALL_CHAT_SETTINGS: readonly ChatSetting[] = [...CHAT_SETTINGS.train, ...CHAT_SETTINGS.draw];

export function inChat(key: ChatSetting): SpelledSetting {
  const setting: Setting & { readonly chat: { readonly name: string } } = SETTINGS[key];
  return { ...setting, ...setting.chat };
}

/** A setting as the command line spells it, with the dashes; null: it does not have it. */
export function onCommandLine(setting: Setting): SpelledSetting | null {
  const { cli } = setting;
  return cli === undefined ? null : { ...setting, ...cli, name: `--${cli.name}`, default: setting.default };
}

/** A setting as members read and type it. */
export function showSetting(settings: ChannelSettings, key: ChatSetting): string {
  const value: Value | null = settings[key];
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return value === null ? (inChat(key).orWord ?? '') : String(value);
}
