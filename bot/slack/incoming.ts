/**
 * @file What Slack tells, as the bot's events: commands, forms, buttons, the shortcut, reactions, the Home tab. Each is
 * acknowledged before anything else.
 */
import { createHash } from 'node:crypto';
import type { AllMiddlewareArgs, App, BlockElementAction, Context } from '@slack/bolt';
import * as v from 'valibot';
import type { CommandContext } from '../../commands/contract.ts';
import { UnderWay } from '../under-way.ts';
import { CommandEvents, type CommandEventsParts } from './command-events.ts';
import { type Asked, Entrance, type EntranceParts } from './entrance.ts';
import { COMPLETED, completionOptions, formErrors, FORM_CALLBACK, readForm, readPurpose } from './forms.ts';
import { homeView } from './home.ts';
import { Places } from './places.ts';
import { ReactionEvents } from './reaction-events.ts';
import { acknowledging } from '../../core/metrics.ts';
import { RecentSet } from '../../core/recent.ts';

const COMMAND = '/krona';
const SHORTCUT_CALLBACK = 'add_photos';
const REMIX_CALLBACK = 'remix_picture';

/** Events remembered to find those that Slack sends again. */
const REMEMBERED = 20_000;

export interface IncomingParts
  extends Omit<CommandEventsParts, 'entrance' | 'places'>, Omit<EntranceParts, 'underWay' | 'places'> {
  readonly botUser: string;
  readonly team: string;
  readonly context: CommandContext;
  /** The app was removed from the workspace, or its token withdrawn. */
  onRemoved(): void;
}

/** The parts of a request for suggestions that are read; Bolt leaves its body untyped. */
const SUGGESTION = v.object({
  action_id: v.string(),
  value: v.string(),
  view: v.optional(v.object({ private_metadata: v.string() })),
});

export class Incoming {
  readonly #parts: IncomingParts;
  readonly #seen = new RecentSet<string>(REMEMBERED);
  readonly #stopping = new AbortController();
  readonly #underWay: UnderWay;
  readonly #places: Places;
  readonly #entrance: Entrance;
  readonly #commands: CommandEvents;
  readonly #reactions: ReactionEvents;

  constructor(parts: IncomingParts) {
    this.#parts = parts;
    const { log, context, members, botUser, handlers } = parts;
    this.#underWay = new UnderWay((error) => log.error({ error }, 'Slack: an event could not be handled'));
    const places = new Places({ ...parts, records: context.records });
    this.#places = places;
    this.#entrance = new Entrance({ ...parts, places, underWay: this.#underWay });
    this.#commands = new CommandEvents({ ...parts, places, entrance: this.#entrance });
    const stopping = this.#stopping.signal;
    this.#reactions = new ReactionEvents({ botUser, members, places, handlers, stopping });
  }

  /** Waits for the events that are being handled. Later ones are not taken. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#underWay.idle();
  }

  listen(app: App): void {
    app.use((args) => this.#once(args));
    app.error(async (error) => {
      this.#parts.log.error({ error }, 'Slack: an event could not be handled');
    });
    this.#listenToCommands(app);
    this.#listenToForms(app);
    this.#listenToButtons(app);
    app.event('reaction_added', async ({ event, context }) =>
      this.#underWay.add(this.#reactions.take(event, true, isRetry(context))),
    );
    app.event('reaction_removed', async ({ event, context }) =>
      this.#underWay.add(this.#reactions.take(event, false, isRetry(context))),
    );
    for (const end of ['app_uninstalled', 'tokens_revoked'] as const)
      app.event(end, async () => this.#parts.onRemoved());
    app.event('app_home_opened', async ({ event }) => {
      if (event.tab === 'home') this.#underWay.add(this.#home(event.user));
    });
  }

  #listenToCommands(app: App): void {
    app.command(COMMAND, async ({ command, ack }) => {
      const acknowledged = acknowledging('slack', ack());
      const { channel_id: channelId, user_id: userId, response_url: responseUrl } = command;
      const asked = this.#asked(
        { id: channelId, name: command.channel_name },
        { id: userId, name: command.user_name },
        responseUrl,
      );
      await acknowledged;
      await this.#commands.command(asked, command.text ?? '', command.trigger_id);
    });

    app.shortcut({ callback_id: SHORTCUT_CALLBACK, type: 'message_action' }, async ({ shortcut, ack }) => {
      await ack();
      if (shortcut.type !== 'message_action') return;
      const { channel, user, message, response_url: responseUrl, trigger_id: trigger } = shortcut;
      await this.#commands.shortcut(this.#asked(channel, user, responseUrl), message, trigger);
    });

    app.shortcut({ callback_id: REMIX_CALLBACK, type: 'message_action' }, async ({ shortcut, ack }) => {
      await ack();
      if (shortcut.type !== 'message_action') return;
      const { channel, user, message, response_url: responseUrl, trigger_id: trigger } = shortcut;
      const isOurs = message.user === this.#parts.botUser;
      await this.#commands.remix(this.#asked(channel, user, responseUrl), message, isOurs, trigger);
    });
  }

  #listenToForms(app: App): void {
    app.view(FORM_CALLBACK, async ({ body, view, ack }) => {
      const purpose = readPurpose(view.private_metadata);
      if (purpose === null) return void (await ack());
      const form = readForm(view.state.values, purpose);
      const errors = formErrors(form, purpose);
      if (errors !== null) return void (await ack({ response_action: 'errors', errors }));
      await ack();
      this.#commands.submit(purpose, form, body.user);
    });

    app.options(new RegExp(`^${COMPLETED}`), async ({ body, ack }) => {
      const { output, success } = v.safeParse(SUGGESTION, body);
      const purpose = success ? readPurpose(output.view?.private_metadata ?? '') : null;
      if (!success || purpose === null) return void (await ack({ options: [] }));
      const values = await this.#commands.complete(purpose, output.action_id, output.value, body.user);
      await ack({ options: completionOptions(output.value, values) });
    });
  }

  #listenToButtons(app: App): void {
    // Every other button's id is its action; a list's choices are actions.
    app.action({ type: 'block_actions', action_id: /^[a-z]+:/ }, async ({ action: button, body, ack }) => {
      await acknowledging('slack', ack());
      if (body.type !== 'block_actions' || !body.channel) return;
      const action = actionOf(button);
      if (action === null) return;
      const { id, username } = body.user;
      const asked = this.#asked(body.channel, { id, name: username ?? id }, body.response_url ?? null);
      this.#entrance.enter(asked, Promise.resolve(), (who) =>
        this.#parts.handlers.onAction({ ...who, action }),
      );
    });
  }

  #asked(
    channel: { readonly id: string; readonly name: string },
    user: { readonly id: string; readonly name: string },
    responseUrl: string | null,
  ): Asked {
    return {
      place: this.#places.named(channel.id, channel.name),
      caller: { channelId: channel.id, userId: user.id, responseUrl, at: Date.now() },
      userName: user.name,
    };
  }

  /** Lets an event through once: one that comes again is acknowledged and nothing else. */
  async #once({ body, context, next, ...rest }: AllMiddlewareArgs & { body: unknown }): Promise<void> {
    const key: unknown = deliveryKey(body) ?? context['envelopeId'];
    if (this.#stopping.signal.aborted) return;
    if (typeof key !== 'string' || this.#seen.add(key)) await next();
    else if (isAcknowledged(rest)) await rest.ack();
  }

  async #home(user: string): Promise<void> {
    const { members, context, api, team } = this.#parts;
    const { externalId, name } = await members.person(user);
    const member = await context.records.member('slack', externalId, name);
    const view = await homeView(member, team, context);
    await api.call('views.publish', (client) => client.views.publish({ user_id: user, view }));
  }
}

function actionOf(pressed: BlockElementAction): string | null {
  if (pressed.type === 'button') return pressed.value ?? pressed.action_id;
  if (pressed.type !== 'static_select') return null;
  // null, beyond Slack's types, where a choice was taken back.
  const chosen: typeof pressed.selected_option | null = pressed.selected_option;
  return chosen?.value ?? null;
}

const isRetry = ({ retryNum }: Context): boolean => (retryNum ?? 0) > 0;

/** Commands, forms and buttons have to be acknowledged; events are by the receiver. */
const isAcknowledged = (rest: object): rest is { readonly ack: () => Promise<void> } => 'ack' in rest;

const DELIVERY = v.object({ event_id: v.optional(v.string()), trigger_id: v.optional(v.string()) });

/** The same for an event that is sent again, and different for every other; undefined when nothing in it tells. */
function deliveryKey(body: unknown): string | undefined {
  if (!v.is(DELIVERY, body)) return undefined;
  const { event_id: id, trigger_id: trigger } = body;
  if (id !== undefined || trigger === undefined) return id;
  // The trigger alone is not enough, as not every server that speaks as Slack does makes a new one.
  return createHash('sha256').update(JSON.stringify(body)).digest('base64');
}
