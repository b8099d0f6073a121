/** @file The settings of a channel as options of commands, made from their one table. */
import { suggestedSizes } from '../../core/settings/picture-size.ts';
import { AUTO, valueSpec } from '../../core/settings/read.ts';
import { inChat, SETTINGS, type ChatName, type ChatSetting } from '../../core/settings/schema.ts';
import type { OptionData } from '../contract.ts';

/** Longest value of a setting that is typed and no text: two numbers, or a word. */
const MAX_TYPED = 20;

/** The option that changes a setting. Values that may also be a word are text, which `withOptions` reads. */
export function settingOption<Key extends ChatSetting>(
  key: Key,
): OptionData & { readonly name: ChatName<Key> } {
  return { ...optionOf(key), name: SETTINGS[key].chat.name };
}

function optionOf(key: ChatSetting): OptionData {
  const setting = inChat(key);
  const { name, description, type, choices, orWord, auto, suggestions = [] } = setting;
  const words = [...(orWord === undefined ? [] : [orWord]), ...(auto ? [AUTO] : [])];
  if (choices) return { name, description, type: 'text', choices: [...words, ...choices] };
  const spec = valueSpec(setting);
  if (type !== 'size' && words.length === 0) return { ...spec, description };
  return {
    name,
    description,
    type: 'text',
    maxLength: setting.maxLength ?? MAX_TYPED,
    expected: spec.expected!,
    async complete(_typed, { records }, channel) {
      if (type !== 'size' && key !== 'speed') return [...words, ...suggestions];
      const model = await records.modelCard(channel.model);
      if (key === 'speed') return [...words, ...(model?.speeds ?? []).map((file) => file.name)];
      return [...words, ...(model ? suggestedSizes(model) : [])];
    },
  };
}
