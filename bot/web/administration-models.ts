/** @file Models on the administrator's page: which there are, and `/krona model` for them, through the same checks. */
import { type Context, Hono } from 'hono';
import * as v from 'valibot';
import type { Actor, CommandContext } from '../../commands/contract.ts';
import { callCommand } from '../../commands/index.ts';
import { defaultName, offers, type Offer } from '../../commands/models/known-models.ts';
import { acceptAndPull, cancelPull } from '../../commands/models/pulls.ts';
import { admit } from '../../commands/rules/guard.ts';
import { KronaError } from '../../core/errors.ts';
import type { OverviewChannel } from '../../core/overview.ts';
import type { Channel } from '../../core/records.ts';
import { DEFAULT_MODEL, type ModelCard } from '../../core/settings/model-card.ts';
import { fitsMemory } from '../../core/settings/model-needs.ts';
import { checked, uuid } from '../request.ts';
import type { AdministrationParts } from './administration.ts';
import { FIRST_CHANNEL, type LicenceView, type ModelView } from './protocol.ts';

/**
 * Every model, KRONA_MODEL's own first.
 *
 * @param usual - the card of KRONA_MODEL
 * @param channels - which of them draws where
 */
export async function modelViews(
  { records }: CommandContext,
  usual: ModelCard | null,
  channels: readonly OverviewChannel[],
): Promise<ModelView[]> {
  const places = (name: string) => ({
    usedIn: channels.filter(({ model }) => model === name).map(placeName),
  });
  const own: ModelView = {
    name: DEFAULT_MODEL,
    title: defaultName(usual),
    state: 'own',
    bytes: null,
    licence: null,
    pull: null,
    ...places(DEFAULT_MODEL),
  };
  const viewOf = ({ model, here, pull }: Offer): ModelView => ({
    name: model.name,
    title: model.title,
    state:
      pull !== null
        ? 'pulling'
        : here !== null
          ? 'pulled'
          : fitsMemory(model, usual?.computer)
            ? 'absent'
            : 'large',
    bytes: here?.pulled?.bytes ?? model.bytes,
    licence: { ...model.licence },
    pull: pull && { id: pull.id, progress: pull.progress },
    ...places(model.name),
  });
  return [own, ...(await offers(records, usual)).map(viewOf)];
}

const placeName = ({ name, platform }: OverviewChannel): string => `#${name} ${platform}`;

/** `channel` null: all of them. */
const WHERE = v.object({ channel: v.nullable(uuid) });
const PULL = v.object({ accept: v.boolean() });

/** Routes below `/administration/models`. */
export function modelRoutes({ context: commands, identity }: AdministrationParts) {
  const { records } = commands;
  const actorIn = async (context: Context, channel: Channel): Promise<Actor> => ({
    channel,
    member: await identity.require(context),
    moderator: true,
    manager: true,
    roles: [],
  });
  // What concerns all channels is asked in the web chat's first one, which shows the download.
  const actor = async (context: Context) =>
    actorIn(context, await records.channel('web', FIRST_CHANNEL, FIRST_CHANNEL));
  const call = (who: Actor, action: string, options: Readonly<Record<string, string>>) =>
    callCommand('model', { ...who, action, options, attachments: [] }, commands);
  return new Hono()
    .post('/:name/pull', checked('json', PULL), async (context) => {
      const model = context.req.param('name');
      const who = await actor(context);
      if (!context.req.valid('json').accept) {
        const { title, text = [], fields = [], follows } = await call(who, 'pull', { model });
        const asks: LicenceView = { model, title, text, fields };
        return context.json({ asks: follows ? null : asks });
      }
      await admit(records, who, { needs: 'moderator' });
      await acceptAndPull(model, who, commands);
      return context.json({ asks: null });
    })
    .delete('/:name/pull', async (context) => {
      const pull = await records.openPull(context.req.param('name'));
      const channel = pull && (await records.channelById(pull.channelId));
      if (pull === null || channel === null)
        throw new KronaError('WORK_ENDED', 'There is nothing to cancel: this model is not being downloaded.');
      await cancelPull(pull.id, await actorIn(context, channel), commands);
      return context.json({});
    })
    .post('/:name/use', checked('json', WHERE), async (context) => {
      const model = context.req.param('name');
      const { channel: id } = context.req.valid('json');
      if (id === null) {
        await call(await actor(context), 'use', { model, scope: 'all' });
        return context.json({});
      }
      const channel = await records.channelById(id);
      if (channel === null) throw new KronaError('CHANNEL_UNKNOWN', 'This channel does not exist.');
      await call(await actorIn(context, channel), 'use', { model, scope: 'channel' });
      return context.json({});
    })
    .delete('/:name', async (context) => {
      await call(await actor(context), 'remove', { model: context.req.param('name') });
      return context.json({});
    });
}
