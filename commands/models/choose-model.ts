/** @file Chooses the model of a channel, a server or all, and removes models that nobody uses. */
import { randomUUID } from 'node:crypto';
import { KronaError } from '../../core/errors.ts';
import { counted } from '../../core/format.ts';
import type { Subject } from '../../core/records.ts';
import { DEFAULT_MODEL } from '../../core/settings/model-card.ts';
import { requireMemory } from '../../core/settings/model-needs.ts';
import type { ModelScope, Records } from '../../storage/records.ts';
import type { Card } from '../card.ts';
import { plain } from '../cards/format.ts';
import type { Actor, CommandContext } from '../contract.ts';
import { note } from '../rules/audit.ts';
import { defaultName, modelTitle, requireModel, requirePulled } from './known-models.ts';

export const SCOPES = ['channel', 'server', 'all'] as const;
type Scope = (typeof SCOPES)[number];

const WHERE: Readonly<Record<Scope, string>> = {
  channel: 'this channel',
  server: 'all channels of this server',
  all: 'all channels of this Krona',
};

/** @throws KronaError NO_SERVER, NOT_ALLOWED */
async function scopeOf(records: Records, actor: Actor, scope: Scope): Promise<ModelScope> {
  if (scope === 'server') await requireManager(records, actor);
  if (scope !== 'all') return { scope, channelId: actor.channel.id };
  // A server's managers don't run the computer that all servers share.
  if (actor.channel.platform === 'web' && actor.moderator) return { scope };
  throw new KronaError(
    'NOT_ALLOWED',
    'Only moderators of the web chat, who run this Krona, can choose the model for all. Choose it for `channel` or `server`.',
  );
}

/** @throws KronaError NO_SERVER, NOT_ALLOWED */
async function requireManager(records: Records, actor: Actor): Promise<void> {
  if ((await records.serverRules(actor.channel.id)) === null)
    throw new KronaError(
      'NO_SERVER',
      'This channel is in no server. Choose the model for `channel` or `all`.',
    );
  if (!actor.manager)
    throw new KronaError(
      'NOT_ALLOWED',
      'Only members who can manage the whole server (Discord: Manage Server; Slack: workspace admin) can choose its model.',
    );
}

/** What members have to know about their adapters. */
async function adapterLines(
  records: Records,
  channelId: string,
  model: string,
  title: string,
): Promise<string[]> {
  const adapters = await records.adapters(channelId);
  const subjects = (await records.subjects(channelId)).filter(({ id }) =>
    adapters.some(({ subjectId }) => subjectId === id),
  );
  const fits = ({ id }: Subject): boolean =>
    adapters.some((adapter) => adapter.subjectId === id && adapter.model === model);
  const without = subjects.filter((subject) => !fits(subject)).map(({ name }) => plain(name));
  if (without.length === 0) return [];
  return [
    `Adapters belong to the model that they were trained on. ${without.join(', ')} ${without.length === 1 ? 'has' : 'have'} none ` +
      `for ${title}: train again with \`/krona train\`, or switch back to draw with the old ones.`,
  ];
}

/**
 * Chooses a model that is here.
 *
 * @throws KronaError MODEL_NOT_IN_CATALOGUE, MODEL_NOT_PULLED, MODEL_TOO_LARGE, NO_SERVER, NOT_ALLOWED
 */
export async function chooseModel(
  typed: string,
  scope: Scope,
  actor: Actor,
  { records }: CommandContext,
): Promise<Card> {
  const model = await requireModel(records, typed);
  const usual = await records.modelCard();
  if (model !== null) {
    await requirePulled(records, model);
    requireMemory(model, usual?.computer);
  }
  const name = model?.name ?? DEFAULT_MODEL;
  const title = model?.title ?? plain(defaultName(usual));
  const before = await records.transaction(async (inside) => {
    const where = await scopeOf(inside, actor, scope);
    const channel = (await inside.channelById(actor.channel.id)) ?? actor.channel;
    await inside.chooseModel(name, where);
    await note(inside, actor, 'model', `${title} in ${WHERE[scope]}`);
    return channel.model;
  });
  const same = scope === 'channel' && before === name;
  return {
    tone: same ? 'info' : 'success',
    title: same ? `No change: ${title} already draws here` : `${title} draws in ${WHERE[scope]}`,
    text: [
      `By ${plain(actor.member.name)}, from the next command on. Each model has settings of its own here: \`/krona settings show\`.`,
      ...(await adapterLines(records, actor.channel.id, name, title)),
    ],
  };
}

/**
 * Removes a model that nobody uses, and its files. Its adapters stay.
 *
 * @throws KronaError MODEL_NOT_IN_CATALOGUE, MODEL_NOT_PULLED, MODEL_IN_USE
 */
export async function removeModel(typed: string, actor: Actor, { records }: CommandContext): Promise<Card> {
  const model = await requireModel(records, typed);
  if (model === null)
    throw new KronaError(
      'MODEL_IN_USE',
      `${defaultName(await records.modelCard())} is the worker’s own model (KRONA_MODEL), so it stays.`,
    );
  const { name, title } = model;
  await records.transaction(async (inside) => {
    await requirePulled(inside, model);
    const { channels, work } = await inside.modelUses(name);
    if (channels > 0 || work > 0)
      throw new KronaError(
        'MODEL_IN_USE',
        `${title} is in use by ${counted(channels, 'channel')} (choices for a server or all count, too) and by ${counted(work, 'open job')}. ` +
          'Choose another model there first, or wait for the jobs.',
      );
    await inside.removeModel(name);
    await inside.addOutboxJob({ id: randomUUID(), kind: 'pull', payload: { model: name } });
    await note(inside, actor, 'model', `removed ${title}`);
  });
  return {
    tone: 'success',
    title: `${title} is removed`,
    text: [
      'Its files are deleted. Adapters that were trained on it stay, and draw again after another pull.',
    ],
  };
}

/** @throws KronaError ADAPTER_OTHER_MODEL when an adapter belongs to another model than the channel's */
export async function requireSameModel(
  records: Records,
  adapterName: string,
  { model }: { readonly model: string },
  channelModel: string,
): Promise<void> {
  if (model === channelModel) return;
  const [own, here] = [await modelTitle(records, model), await modelTitle(records, channelModel)];
  throw new KronaError(
    'ADAPTER_OTHER_MODEL',
    `${adapterName} was trained on ${own}, and ${here} draws here. Train it again, or have a moderator choose ${own} with \`/krona model use\`.`,
  );
}
