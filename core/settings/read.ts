/** @file Settings as people type them: read, and put into those of a channel. */
import { expectation, invalid, readValue, type Value, type ValueSpec } from '../values.ts';
import type { PictureSize } from './choices.ts';
import { autoValues, startingRates, startingSettings } from './defaults.ts';
import type { ModelCard } from './model-card.ts';
import { ALL_CHAT_SETTINGS, inChat, type ChannelSettings, type SpelledSetting } from './schema.ts';

/** The word for which `auto` of a setting says what it means. */
export const AUTO = 'auto';

/** What `readSetting` takes, as the declaration of a value. */
export function valueSpec(setting: SpelledSetting): ValueSpec {
  const { type, parts, orWord, auto, ...spec } = setting;
  const word = orWord ?? (auto && AUTO);
  const anyOfThem = parts !== undefined && spec.choices?.length === 2 ** parts.length - 1;
  const expected =
    type === 'size'
      ? 'width and height in pixels, as 1024x768'
      : anyOfThem
        ? `one or more of ${parts.join(', ')}, with commas between`
        : expectation({ ...spec, type });
  return {
    ...spec,
    type: type === 'size' ? 'text' : type,
    expected: word === undefined ? expected : `${expected}, or ${word}`,
  };
}

/** `1024x768`, `1024×768`, or `1024` for a square. */
function readSize(typed: string): PictureSize | null {
  const [, width, height = width] = /^(\d{1,5})(?:\s*[x×]\s*(\d{1,5}))?$/i.exec(typed) ?? [];
  return width === undefined ? null : `${Number(width)}x${Number(height)}`;
}

/** `text-encoders, attention` → `attention,text-encoders`; anything else as it is. */
function inOrder(typed: string, parts: readonly string[]): string {
  const words = typed.split(',').map((word) => word.trim().toLowerCase());
  return words.every((word) => parts.includes(word))
    ? parts.filter((part) => words.includes(part)).join(',')
    : typed;
}

/**
 * A setting's value as it was typed.
 *
 * @returns null where the model or the program decides; AUTO where the setting has it
 * @throws KronaError OPTION_INVALID, OPTION_EMPTY
 */
export function readSetting(setting: SpelledSetting, typed: Value): Value | null {
  const { type, orWord, parts, auto } = setting;
  const text = String(typed).trim();
  if (orWord !== undefined && text.toLowerCase() === orWord) return null;
  if (auto !== undefined && text.toLowerCase() === AUTO) return AUTO;
  const spec = valueSpec(setting);
  if (type !== 'size') return readValue(spec, parts ? inOrder(text, parts) : typed);
  const size = readSize(text);
  if (size === null) throw invalid(spec, typed);
  return size;
}

/**
 * Settings after options that were typed in chat; options that are no settings are ignored.
 *
 * @param model the worker's; null: not known
 * @throws KronaError OPTION_INVALID, OPTION_EMPTY
 */
export function withOptions(
  settings: ChannelSettings,
  options: Readonly<Record<string, Value | undefined>>,
  model: ModelCard | null,
): ChannelSettings {
  const typed = ALL_CHAT_SETTINGS.flatMap((key): (readonly [string, Value | null])[] => {
    const setting = inChat(key);
    const value = options[setting.name];
    if (value === undefined) return [];
    const read = readSetting(setting, value);
    return setting.auto && read === AUTO ? autoValues(setting, model) : [[key, read]];
  });
  // readSetting gives each value the type that the table, and so ChannelSettings, declares.
  const changed = Object.fromEntries(typed) as Partial<ChannelSettings>;
  const given = { ...settings, ...bySpeed(settings, changed, model), ...changed };
  // A higher rank is for more detail, not more strength: alpha keeps its ratio to it unless one is given.
  const alpha =
    changed.alpha === undefined && changed.rank !== undefined
      ? (settings.alpha / settings.rank) * given.rank
      : given.alpha;
  const after = { ...given, alpha };
  // A learning rate that suits one method ruins another's training: it moves along unless one is given.
  if (changed.lr !== undefined || after.method === settings.method) return after;
  const rates = startingRates(model);
  const lr = (settings.lr / rates[settings.method]) * rates[after.method];
  return { ...after, lr: Number(lr.toPrecision(6)) };
}

/**
 * The settings that come with another speed file, or with none again: each file was trained for its own scheduler, steps and
 * guidance. A file that the model doesn't have changes nothing: `checkDrawing` refuses it.
 */
function bySpeed(
  settings: ChannelSettings,
  { speed }: Partial<ChannelSettings>,
  model: ModelCard | null,
): Partial<ChannelSettings> {
  if (speed === undefined || speed === settings.speed) return {};
  const { samplingSteps, guidance, scheduler } = startingSettings(model);
  if (speed === null) return { samplingSteps, guidance, scheduler };
  const file = model?.speeds?.find(({ name }) => name === speed);
  return file === undefined ? {} : { samplingSteps: file.steps, guidance: file.guidance, scheduler };
}
