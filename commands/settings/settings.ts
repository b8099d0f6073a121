/** @file `/krona settings`: how the channel trains and draws, checked against the model before anything runs. */
import { KronaError } from '../../core/errors.ts';
import type { ChannelSettings, ModelCard } from '../../core/settings/settings.ts';
import { targetsOf } from '../../core/settings/train-settings.ts';
import { note } from '../rules/audit.ts';
import type { Card } from '../card.ts';
import { plain } from '../cards/format.ts';
import type { Command, CommandContext, Invocation } from '../contract.ts';
import {
  adapterParameters,
  checkDrawing,
  checkFactors,
  checkRank,
  checkTogether,
  SETTING_NAMES,
  SETTING_OPTIONS,
  showSetting,
  trainedProjections,
  withOptions,
} from './settings-check.ts';

/** The size of what a training makes, which is what a1 and a2, or rank, trade for likeness. */
function sizeLine(settings: ChannelSettings, model: ModelCard | null): string[] {
  const parameters = model && adapterParameters(settings, model);
  if (!model || parameters === null) return [];
  return [`An adapter has ${parameters.toLocaleString('en')} parameters on ${plain(model.name)}.`];
}

async function show({ channel }: Invocation, context: CommandContext): Promise<Card> {
  const { settings } = (await context.records.channelById(channel.id)) ?? channel;
  return {
    tone: 'info',
    title: 'Settings of this channel',
    text: [
      ...sizeLine(settings, await context.records.modelCard()),
      'Change one: `/krona settings a1:8 lr:5e-4`',
    ],
    table: {
      columns: ['setting', 'value', 'what it is'],
      rows: SETTING_NAMES.map((setting) => {
        const { name, description } = SETTING_OPTIONS[setting];
        return [name, showSetting(settings, setting), description];
      }),
    },
    audience: 'caller',
  };
}

const changedIn = (before: ChannelSettings, after: ChannelSettings) =>
  SETTING_NAMES.filter((setting) => before[setting] !== after[setting]);

const changeOf = (before: ChannelSettings, after: ChannelSettings, setting: keyof ChannelSettings): string =>
  `${showSetting(before, setting)} → ${showSetting(after, setting)}`;

/** What is checked against the model. */
const OF_MODEL = ['a1', 'a2', 'rank', 'targets', 'size', 'refine'];

async function set(invocation: Invocation, context: CommandContext): Promise<Card> {
  const { channel, options } = invocation;
  if (Object.keys(options).length === 0)
    throw new KronaError('OPTION_MISSING', 'Say what to set, for example `/krona settings set steps:300`.');
  const model = await context.records.modelCard();
  if (!model && OF_MODEL.some((name) => name in options))
    throw new KronaError(
      'MODEL_UNKNOWN',
      `${OF_MODEL.join(', ')} must fit the model, and no worker has told which one it has; start the worker, then try again.`,
      { retryable: true },
    );
  const { before, after } = await context.records.transaction(async (records) => {
    const before = ((await records.channelById(channel.id)) ?? channel).settings;
    const after = withOptions(before, options, model);
    checkTogether(after);
    const projections = model ? trainedProjections(targetsOf(after.targets), model) : [];
    // The pair is checked even when one is set: the other may stem from another model.
    const { method } = after;
    if ('a1' in options || 'a2' in options || ('targets' in options && method === 'krona'))
      checkFactors(after, projections);
    if ('rank' in options || ('targets' in options && method === 'lora')) checkRank(after, projections);
    if (model && ('size' in options || 'refine' in options)) checkDrawing(after, model);
    await records.saveSettings(channel.id, after);
    const changes = changedIn(before, after).map(
      (setting) => `${SETTING_OPTIONS[setting].name}: ${changeOf(before, after, setting)}`,
    );
    if (changes.length > 0) await note(records, invocation, 'settings', changes.join(', '));
    return { before, after };
  });
  const changed = changedIn(before, after);
  if (changed.length === 0)
    return {
      tone: 'info',
      title: 'Nothing changed',
      text: ['The settings were so already.'],
      audience: 'caller',
    };
  return {
    tone: 'success',
    title: 'Settings changed',
    text: [`By ${plain(invocation.member.name)}, from the next command on.`, ...sizeLine(after, model)],
    fields: changed.map((setting) => ({
      name: SETTING_OPTIONS[setting].name,
      value: changeOf(before, after, setting),
    })),
  };
}

const ACTIONS: Readonly<Record<string, Command['run']>> = { show, set };

export const settings: Command = {
  data: {
    name: 'settings',
    description: 'How this channel trains and draws',
    example: '/krona settings set a1:8 a2:64 lr:5e-4',
    options: [],
    actions: [
      { name: 'show', description: 'Show the settings', options: [] },
      {
        name: 'set',
        description: 'Change settings for everybody in this channel',
        options: SETTING_NAMES.map((setting) => SETTING_OPTIONS[setting]),
        needs: 'settings',
      },
    ],
  },
  run: (invocation, context) => ACTIONS[invocation.action]!(invocation, context),
};
