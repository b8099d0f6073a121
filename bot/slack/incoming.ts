/**
 * @file What Slack tells, as the bot's events: commands, forms, buttons, the shortcut, reactions, the Home tab. Each is
 * acknowledged before anything else; what takes a form opens it right after, as the key to open it lasts 3 s.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AllMiddlewareArgs, App, types } from '@slack/bolt';
import type { Card } from '../../commands/card.ts';
import { errorCard } from '../../commands/cards/format.ts';
import type { Attachment, CommandContext, OptionValues, SubcommandData } from '../../commands/contract.ts';
import { declared, parseCommandLine } from '../../commands/index.ts';
import { KronaError } from '../../core/errors.ts';
import type { GatewayHandlers, Place } from '../gateway.ts';
import { Lanes } from '../lanes.ts';
import type { Log } from '../../core/log.ts';
import type { Caller } from './answers.ts';
import type { HeardChannels } from './heard-channels.ts';
import {
  COMPLETED,
  completionOptions,
  formErrors,
  type FormPurpose,
  formView,
  FORM_CALLBACK,
  photoCommand,
  readForm,
  readPurpose,
} from './forms.ts';
import { homeView } from './home.ts';
import type { Members, Person } from './members.ts';
import { inPlainText, type Mention, optionsOf, readText, refusePlainMentions } from './mentions.ts';
import type { PhotoDownloads } from './photo-download.ts';
import { Seen } from './seen.ts';
import type { SlackApi } from './web-api.ts';

export const COMMAND = '/krona';
export const SHORTCUT_CALLBACK = 'add_photos';

/** Pauses between tries to store a reaction, ms; after the last, the next start reads it from Slack. */
const FIRST_PAUSE = 1_000;
const LAST_PAUSE = 60_000;
const TRIES = 12;
/** Longest that a command waits to know who gives it, ms. */
const LONGEST_QUESTION = 5_000;
/** Longest that a command waits for the names of whom it mentions, ms: a form must be opened within 3 s. */
const LONGEST_NAMING = 1_000;
/** Characters of a file's name in a form: ten of them must fit beside the rest. */
const NAME = 60;

export interface IncomingParts {
  readonly api: SlackApi;
  readonly botUser: string;
  readonly context: CommandContext;
  readonly members: Members;
  readonly downloads: PhotoDownloads;
  readonly heard: HeardChannels;
  readonly log: Log;
  readonly handlers: GatewayHandlers;
  /** Tells a member alone; never rejects. */
  tell(caller: Caller, card: Card): Promise<void>;
  /** Shows an answer's cards where each belongs. */
  answer(caller: Caller, cards: readonly Card[]): Promise<void>;
}

interface Asked {
  readonly place: Place;
  readonly caller: Caller;
  /** What the event calls the member. */
  readonly userName: string;
}

export class Incoming {
  readonly #parts: IncomingParts;
  readonly #seen = new Seen();
  readonly #lanes = new Lanes();
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #names = new Map<string, string>();
  readonly #stopping = new AbortController();

  constructor(parts: IncomingParts) {
    this.#parts = parts;
  }

  /** Waits for what is being dealt with. Events that come later are not taken. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  listen(app: App): void {
    app.use((args) => this.#once(args));
    app.error(async (error) => {
      this.#parts.log.error({ error }, 'Slack: an event could not be dealt with');
    });

    app.command(COMMAND, async ({ command, ack }) => {
      const acknowledged = ack();
      const asked: Asked = {
        place: this.#place(command.channel_id, command.channel_name),
        caller: this.#caller(command.channel_id, command.user_id, command.response_url),
        userName: command.user_name,
      };
      await acknowledged;
      await this.#command(asked, command.text ?? '', command.trigger_id);
    });

    app.shortcut({ callback_id: SHORTCUT_CALLBACK, type: 'message_action' }, async ({ shortcut, ack }) => {
      await ack();
      if (shortcut.type !== 'message_action') return;
      const { channel, user, message, response_url: url, trigger_id: trigger } = shortcut;
      const asked: Asked = {
        place: this.#place(channel.id, channel.name),
        caller: this.#caller(channel.id, user.id, url),
        userName: user.name,
      };
      await this.#shortcut(asked, message, trigger);
    });

    app.view(FORM_CALLBACK, async ({ body, view, ack }) => {
      const purpose = readPurpose(view.private_metadata);
      if (purpose === null) return void (await ack());
      const form = readForm(view.state.values, purpose);
      const errors = formErrors(form);
      if (errors !== null) return void (await ack({ response_action: 'errors', errors }));
      await ack();
      const { place, responseUrl, at, command, action } = purpose;
      const caller = { channelId: place.externalId, userId: body.user.id, responseUrl, at };
      const attachments = form.files.map((file) => this.#parts.downloads.attachment(file));
      this.#invoke(
        { place, caller, userName: body.user.name },
        { command, action, attachments },
        Promise.resolve(form.options),
      );
    });

    app.options(new RegExp(`^${COMPLETED}`), async ({ body, ack }) => {
      const { action_id: actionId, value } = body as { action_id: string; value: string };
      const purpose = readPurpose(
        (body as { view?: { private_metadata: string } }).view?.private_metadata ?? '',
      );
      const values = purpose === null ? [] : await this.#complete(purpose, actionId, value, body.user);
      await ack({ options: completionOptions(value, values) });
    });

    // Every other button's id is its action.
    app.action({ type: 'block_actions', action_id: /^[a-z]+:/ }, async ({ action, body, ack }) => {
      await ack();
      if (action.type !== 'button' || body.type !== 'block_actions' || !body.channel) return;
      const { id, name } = body.channel;
      const asked: Asked = {
        place: this.#place(id, name),
        caller: this.#caller(id, body.user.id, body.response_url ?? null),
        userName: body.user.username ?? body.user.id,
      };
      const pressed = action.value ?? action.action_id;
      this.#enter(asked, Promise.resolve(), (who) =>
        this.#parts.handlers.onAction({ ...who, action: pressed }),
      );
    });

    app.event('reaction_added', async ({ event }) => this.#reaction(event, true));
    app.event('reaction_removed', async ({ event }) => this.#reaction(event, false));
    app.event('app_home_opened', async ({ event }) => {
      if (event.tab === 'home') this.#track(this.#home(event.user));
    });
  }

  /** Lets an event through once: those that come again are acknowledged and nothing else. */
  async #once({ body, context, next, ...rest }: AllMiddlewareArgs & { body: unknown }): Promise<void> {
    const key = deliveryKey(body) ?? (context['envelopeId'] as string | undefined);
    const ack = (rest as { ack?: () => Promise<void> }).ack;
    if (this.#stopping.signal.aborted) return;
    if (key === undefined || this.#seen.first(key)) await next();
    else await ack?.();
  }

  async #command(asked: Asked, text: string, trigger: string): Promise<void> {
    const { line, mentions } = readText(text);
    try {
      const { name: command, action, options: parsed } = parseCommandLine(line);
      const { data } = declared(command, action);
      refusePlainMentions(parsed, data);
      const options = this.#named(mentions).then((named) => optionsOf(parsed, data, named));
      const form = photoCommand(command, action);
      if (form === null) this.#invoke(asked, { command, action, attachments: [] }, options);
      else await this.#openForm(asked, form, { command, action, files: [] }, await options, trigger);
    } catch (error) {
      const card = errorCard(error);
      const text = card.text?.map((each) => inPlainText(each, mentions));
      await this.#parts.tell(asked.caller, { ...card, ...(text && { text }) });
    }
  }

  /** Mentions with the names that Slack has left out, as far as those are known in time. */
  async #named(mentions: readonly Mention[]): Promise<readonly Mention[]> {
    return Promise.all(
      mentions.map(async (mention) => {
        if (mention.name !== null || mention.kind === 'group') return mention;
        const { id } = mention;
        const asked = mention.kind === 'member' ? this.#parts.members.person(id) : this.#knownPlace(id);
        const name = Promise.race([
          asked.then((found) => found.name),
          sleep(LONGEST_NAMING, id, { ref: false }),
        ]);
        return { ...mention, name: await name.catch(() => id) };
      }),
    );
  }

  async #shortcut(asked: Asked, message: MessageWithFiles, trigger: string): Promise<void> {
    const { caller } = asked;
    const files = (message.files ?? []).map(({ id, name, title }) => ({
      id,
      name: (name ?? title ?? 'photo').slice(0, NAME),
    }));
    try {
      if (message.user !== caller.userId)
        throw new KronaError(
          'NOT_YOURS',
          'Only who sent a message can give its photos; ask them to use the shortcut, or send your own.',
        );
      if (files.length === 0) throw new KronaError('NO_PHOTOS', 'This message has no files.');
      const data = photoCommand('photos', 'add')!;
      await this.#openForm(asked, data, { command: 'photos', action: 'add', files }, {}, trigger);
    } catch (error) {
      await this.#parts.tell(caller, errorCard(error));
    }
  }

  async #openForm(
    { place, caller }: Asked,
    data: SubcommandData,
    what: Pick<FormPurpose, 'command' | 'action' | 'files'>,
    typed: Readonly<Record<string, string | number | boolean>>,
    trigger: string,
  ): Promise<void> {
    const { responseUrl, at } = caller;
    const view = formView(data, { ...what, place, responseUrl, at }, typed);
    await this.#parts.api
      .call('views.open', (client) => client.views.open({ trigger_id: trigger, view }), { repeatable: false })
      .catch((cause: unknown) => {
        if (cause instanceof KronaError && cause.code !== 'SLACK_REFUSED') throw cause;
        this.#parts.log.warn({ error: cause }, 'Slack: a form could not be opened');
        throw new KronaError('FORM_EXPIRED', 'Slack did not open the form in time; send the command again.', {
          cause,
        });
      });
  }

  #invoke(
    asked: Asked,
    what: {
      readonly command: string;
      readonly action: string;
      readonly attachments: readonly Attachment[];
    },
    options: Promise<OptionValues>,
  ): void {
    this.#enter(asked, options, (who, options) =>
      this.#parts.handlers.onInvocation({ ...who, ...what, options }),
    );
  }

  /**
   * Finds out who asks, in the order of the channel, and hands the event on; the bot keeps that order then.
   *
   * @param ready - what else the event needs
   */
  #enter<T>(
    { place, caller, userName }: Asked,
    ready: Promise<T>,
    hand: (who: AnsweredParts, ready: T) => Promise<void>,
  ): void {
    const { members, heard } = this.#parts;
    heard.note(caller.channelId);
    const entered = this.#lanes.run(place.externalId, async () => {
      const known = Promise.all([members.person(caller.userId, userName), members.groupsOf(caller.userId)]);
      // When Slack limits these questions, a channel does not wait for them: the member has no rights beyond his own.
      const unknown = { externalId: caller.userId, name: userName, moderator: false, bot: false };
      const [person, roles] = await Promise.race([
        known,
        sleep(LONGEST_QUESTION, [unknown, []] as const, { ref: false }),
      ]);
      const who: AnsweredParts = {
        channel: place,
        member: party(person),
        moderator: person.moderator,
        ...(roles.length > 0 && { roles }),
        // Slack has been told already.
        acknowledge: async () => {},
        answer: (cards) => this.#parts.answer(caller, cards),
      };
      this.#track(hand(who, await ready));
    });
    this.#track(entered);
  }

  async #complete(
    { command, action, place }: FormPurpose,
    actionId: string,
    typed: string,
    user: { readonly id: string; readonly name?: string },
  ): Promise<readonly string[]> {
    const member = { externalId: user.id, name: user.name ?? user.id };
    const option = actionId.slice(COMPLETED.length);
    return this.#parts.handlers.onCompletion({ channel: place, member, command, action, option, typed });
  }

  #reaction(event: types.ReactionAddedEvent | types.ReactionRemovedEvent, added: boolean): void {
    const { item, user, reaction, item_user: author } = event;
    const { botUser } = this.#parts;
    if (item.type !== 'message' || user === botUser || (author !== undefined && author !== botUser)) return;
    const { channel, ts } = item;
    const stored = this.#lanes.run(`${channel} ${ts} ${user}`, async () => {
      const person = await this.#parts.members.person(user);
      if (person.bot) return;
      const place = await this.#knownPlace(channel);
      const say = { channel: place, member: party(person), on: { messageId: ts }, emoji: reaction, added };
      let pause = FIRST_PAUSE;
      for (let tries = 1; tries <= TRIES && !this.#stopping.signal.aborted; tries++) {
        if (await this.#parts.handlers.onReaction(say)) return;
        await sleep(pause, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
        pause = Math.min(LAST_PAUSE, pause * 2);
      }
    });
    this.#track(stored);
  }

  async #home(user: string): Promise<void> {
    const { members, context, api } = this.#parts;
    const { externalId, name } = await members.person(user);
    const member = await context.records.member('slack', externalId, name);
    const view = await homeView(member, context);
    await api.call('views.publish', (client) => client.views.publish({ user_id: user, view }));
  }

  #caller(channelId: string, userId: string, responseUrl: string | null): Caller {
    return { channelId, userId, responseUrl, at: Date.now() };
  }

  #place(externalId: string, name: string): Place {
    this.#names.set(externalId, name);
    return { externalId, name };
  }

  /** Reactions name a channel by its id alone. */
  async #knownPlace(externalId: string): Promise<Place> {
    let name = this.#names.get(externalId);
    if (name === undefined) {
      const channels = await this.#parts.context.records.channels('slack');
      name = channels.find((channel) => channel.externalId === externalId)?.name ?? externalId;
      this.#names.set(externalId, name);
    }
    return { externalId, name };
  }

  #track(work: Promise<unknown>): void {
    const tracked = work
      .catch((error: unknown) => this.#parts.log.error({ error }, 'Slack: an event could not be dealt with'))
      .finally(() => this.#underWay.delete(tracked));
    this.#underWay.add(tracked);
  }
}

/** The same for what is delivered again, and another for everything else; undefined: nothing in it tells. */
function deliveryKey(body: unknown): string | undefined {
  const { event_id: id, trigger_id: trigger } = body as { event_id?: string; trigger_id?: string };
  if (id !== undefined || trigger === undefined) return id;
  // Not by the trigger alone, which not every server that speaks as Slack does makes anew.
  return createHash('sha256').update(JSON.stringify(body)).digest('base64');
}

interface MessageWithFiles {
  readonly user?: string;
  readonly files?: readonly {
    readonly id: string;
    readonly name?: string | null;
    readonly title?: string | null;
  }[];
}

type AnsweredParts = Pick<
  Parameters<GatewayHandlers['onAction']>[0],
  'channel' | 'member' | 'moderator' | 'roles' | 'acknowledge' | 'answer'
>;

const party = ({ externalId, name }: Person) => ({ externalId, name });
