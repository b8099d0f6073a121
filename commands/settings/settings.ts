/** @file `/krona settings`: how the channel trains and draws, checked against the model before anything runs. */
import { KronaError } from '../../core/errors.ts';
import { adapterParameters } from '../../core/settings/adapter-size.ts';
import { checkDrawing, checkFactors, checkRank, checkTogether } from '../../core/settings/check.ts';
import { targetsOf } from '../../core/settings/choices.ts';
import { trainedProjections, type ModelCard } from '../../core/settings/model-card.ts';
import { withOptions } from '../../core/settings/read.ts';
import {
  ALL_CHAT_SETTINGS,
  CHAT_SETTINGS,
  inChat,
  showSetting,
  type ChannelSettings,
  type ChatSetting,
} from '../../core/settings/schema.ts';
import type { Value } from '../../core/values.ts';
import type { Card } from '../card.ts';
import { plain } from '../cards/format.ts';
import type { CommandContext, Invocation } from '../contract.ts';
import { action, commandOf } from '../define.ts';
import { note } from '../rules/audit.ts';
import { settingOption } from './setting-options.ts';

/** The size of an adapter, which is what a1 and a2, or rank, trade for likeness. */
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
      ...sizeLine(settings, await context.records.modelCard(channel.model)),
      'Change them with `/krona settings train` and `/krona settings draw`.',
    ],
    table: {
      columns: ['setting', 'value', 'description'],
      rows: ALL_CHAT_SETTINGS.map((key) => {
        const { name, description } = inChat(key);
        return [name, showSetting(settings, key), description];
      }),
    },
    audience: 'caller',
  };
}

const changedIn = (before: ChannelSettings, after: ChannelSettings) =>
  ALL_CHAT_SETTINGS.filter((key) => before[key] !== after[key]);

const changeOf = (before: ChannelSettings, after: ChannelSettings, key: ChatSetting): string =>
  `${showSetting(before, key)} → ${showSetting(after, key)}`;

/** Settings as they were typed, by the names of their options. */
type Typed = Readonly<Record<string, Value | undefined>>;

/** Options that are checked against the model. */
const OF_MODEL = ['a1', 'a2', 'rank', 'targets', 'size', 'refine', 'speed'];

/** @throws KronaError FACTORS_UNFIT, RANK_UNFIT, TARGETS_UNSUPPORTED, WARMUP_UNFIT, SIZE_UNFIT, REFINER_MISSING,
 * SPEED_MISSING */
function check(settings: ChannelSettings, options: Typed, model: ModelCard | null): void {
  checkTogether(settings);
  if (!model) return;
  const { method, targets } = settings;
  const projections = trainedProjections(targetsOf(targets), model);
  // The pair is checked even when one is set: the other may stem from another model.
  if ('a1' in options || 'a2' in options || ('targets' in options && method === 'krona'))
    checkFactors(settings, projections);
  if ('rank' in options || ('targets' in options && method === 'lora')) checkRank(settings, projections);
  if ('size' in options || 'refine' in options || 'speed' in options) checkDrawing(settings, model);
}

async function set(invocation: Invocation<Typed>, context: CommandContext): Promise<Card> {
  const { channel, options } = invocation;
  if (Object.keys(options).length === 0)
    throw new KronaError(
      'OPTION_MISSING',
      'Give at least one setting, for example `/krona settings train steps:300`.',
    );
  const model = await context.records.modelCard(channel.model);
  const unchecked = OF_MODEL.filter((name) => name in options);
  if (!model && unchecked.length > 0)
    throw new KronaError(
      'MODEL_UNKNOWN',
      `${unchecked.map((name) => `\`${name}\``).join(', ')} must fit the model, and no worker has reported its model yet. Start the worker, then try again.`,
      { retryable: true },
    );
  const { before, after } = await context.records.transaction(async (records) => {
    const before = ((await records.channelById(channel.id)) ?? channel).settings;
    const after = withOptions(before, options, model);
    check(after, options, model);
    await records.saveSettings(channel.id, after);
    const changes = changedIn(before, after).map(
      (key) => `${inChat(key).name}: ${changeOf(before, after, key)}`,
    );
    if (changes.length > 0) await note(records, invocation, 'settings', changes.join(', '));
    return { before, after };
  });
  const changed = changedIn(before, after);
  if (changed.length === 0)
    return {
      tone: 'info',
      title: 'No change',
      text: ['Those are already the settings.'],
      audience: 'caller',
    };
  return {
    tone: 'success',
    title: 'Settings changed',
    text: [`By ${plain(invocation.member.name)}, from the next command on.`, ...sizeLine(after, model)],
    fields: changed.map((key) => ({ name: inChat(key).name, value: changeOf(before, after, key) })),
  };
}

export const settings = commandOf(
  {
    name: 'settings',
    direct: true,
    description: 'How this channel trains and draws',
    example: '/krona settings train a1:8 a2:64 lr:5e-4',
  },
  [
    action({ name: 'show', description: 'Show the settings', options: [] }, show),
    action(
      {
        name: 'train',
        description: 'Change how this channel trains',
        options: CHAT_SETTINGS.train.map(settingOption),
        needs: 'settings',
      },
      set,
    ),
    action(
      {
        name: 'draw',
        description: 'Change how this channel draws',
        options: CHAT_SETTINGS.draw.map(settingOption),
        needs: 'settings',
      },
      set,
    ),
    action(
      {
        name: 'set',
        description: 'Change any settings of this channel',
        options: ALL_CHAT_SETTINGS.map(settingOption),
        needs: 'settings',
        typedOnly: true,
      },
      set,
    ),
  ],
);
