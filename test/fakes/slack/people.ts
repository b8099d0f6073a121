/**
 * @file What people can do in Slack's own client, and no more: they see what their client shows, press buttons that are
 * there, and send forms that are filled.
 */
import { takeBlocks } from './methods.ts';
import { fileObject, type Host } from './methods.ts';
import type { Wire } from './wire.ts';
import {
  APP_ID,
  BOT_USER,
  type Channel,
  type Json,
  type Message,
  type SlackFile,
  TEAM,
  type Workspace,
} from './workspace.ts';

const TRIGGER_LASTS = 3_000;
const URL_LASTS = 30 * 60_000;
const URL_USES = 5;
/** Of a file in a form. */
const MOST_BYTES = 10 * 1024 * 1024;

/** What events call a conversation. */
function calledIn({ id, name, kind }: Channel): string {
  if (kind === 'im') return 'directmessage';
  return kind === 'channel' && id.startsWith('G') ? 'privategroup' : name;
}

/** The client would not let a person do that. */
export class NotPossible extends Error {}

export interface GivenFile {
  readonly name: string;
  readonly base64: string;
}

export class People {
  readonly #host: Host;
  readonly #wire: Wire;
  readonly #triggers = new Map<string, { readonly user: string; readonly until: number }>();
  readonly #urls = new Map<
    string,
    { readonly user: string; readonly channel: string; readonly until: number; uses: number }
  >();

  constructor(host: Host, wire: Wire) {
    this.#host = host;
    this.#wire = wire;
  }

  get #workspace(): Workspace {
    return this.#host.workspace;
  }

  /** Null when it was never given out or is used up; else the user, and it is used up. */
  takeTrigger(id: string): { readonly user: string; readonly expired: boolean } | null {
    const trigger = this.#triggers.get(id);
    this.#triggers.delete(id);
    return trigger ? { user: trigger.user, expired: trigger.until < this.#workspace.now() } : null;
  }

  /** An app's answer at an address that came with an event. @returns the HTTP status */
  respond(id: string, body: Json): number {
    const url = this.#urls.get(id);
    if (!url || url.until < this.#workspace.now() || url.uses >= URL_USES) return 404;
    url.uses += 1;
    const known = ['response_type', 'replace_original', 'delete_original', 'text', 'blocks', 'thread_ts'];
    for (const key of Object.keys(body))
      if (!known.includes(key)) this.#workspace.problem(`an answer has the unknown field ${key}`);
    if (body['response_type'] !== 'ephemeral')
      this.#workspace.problem('an answer was not for the caller alone');
    try {
      const blocks = takeBlocks(this.#workspace, 'an answer', body['blocks']);
      this.#workspace.ephemerals.push({
        id: this.#workspace.ts(),
        channel: url.channel,
        user: url.user,
        text: String(body['text'] ?? ''),
        blocks,
      });
      return 200;
    } catch {
      return 400;
    }
  }

  async command(user: string, channelId: string, text: string): Promise<{ acknowledged: boolean }> {
    const channel = this.#member(user, channelId);
    const acknowledged = await this.#wire.ask('slash_commands', {
      token: 'old',
      team_id: TEAM,
      team_domain: 'fake',
      channel_id: channel.id,
      channel_name: calledIn(channel),
      user_id: user,
      user_name: this.#workspace.users.get(user)!.name,
      command: '/krona',
      text: this.#handedOver(text),
      api_app_id: APP_ID,
      is_enterprise_install: 'false',
      ...this.#keys(user, channel.id),
    });
    return { acknowledged: acknowledged !== null };
  }

  /** A command's text as the app gets it: where it says so, mentions and addresses are written out. */
  #handedOver(text: string): string {
    const { users, groups, channels, command } = this.#workspace;
    const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
    if (command.shouldEscape !== true) return escaped;
    const label = (name: string) => (command.names ? `|${name}` : '');
    return escaped.replace(/https?:\/\/[^\s"]+|@[\w.-]*\w|#[\w-]+/g, (found) => {
      const name = found.slice(1);
      if (/^https?:/.test(found)) return `<${found}>`;
      if (found.startsWith('#')) {
        const channel = [...channels.values()].find((each) => each.name === name);
        return channel ? `<#${channel.id}${label(name)}>` : found;
      }
      if (['here', 'channel', 'everyone'].includes(name)) return `<!${name}>`;
      const user = [...users.values()].find((each) => each.name === name);
      if (user) return `<@${user.id}${label(name)}>`;
      const group = [...groups].find(([, { handle }]) => handle === name);
      return group ? `<!subteam^${group[0]}${label(found)}>` : found;
    });
  }

  /** Writes a message, with files. */
  say(user: string, channelId: string, text: string, files: readonly GivenFile[]): string {
    const channel = this.#member(user, channelId);
    const kept = files.map((file) => this.#upload(user, file));
    const ts = this.#workspace.ts();
    for (const file of kept) file.shares.push({ channel: channel.id, ts, thread: null });
    channel.messages.push({
      ts,
      channel: channel.id,
      user,
      text,
      blocks: [],
      metadata: null,
      thread: null,
      files: kept.map(({ id }) => id),
      reactions: [],
      edits: 0,
      locked: false,
    });
    return ts;
  }

  async shortcut(
    user: string,
    channelId: string,
    ts: string,
    callback: string,
  ): Promise<{ acknowledged: boolean }> {
    const channel = this.#member(user, channelId);
    const message = this.#visible(channel, ts);
    const files = message.files.map((id) => fileObject(this.#host, this.#workspace.files.get(id)!));
    const answer = await this.#wire.ask('interactive', {
      type: 'message_action',
      callback_id: callback,
      action_ts: ts,
      message_ts: ts,
      team: { id: TEAM, domain: 'fake' },
      channel: { id: channel.id, name: calledIn(channel) },
      user: this.#person(user),
      message: {
        type: 'message',
        user: message.user,
        ts,
        text: message.text,
        ...(files.length > 0 && { files }),
        ...(message.blocks.length > 0 && { blocks: message.blocks }),
      },
      ...this.#keys(user, channel.id),
    });
    return { acknowledged: answer !== null };
  }

  /** The list that an open form shows while somebody types in it. */
  async suggestions(user: string, blockId: string, typed: string): Promise<string[]> {
    const { view, id } = this.#form(user);
    const block = this.#block(view, blockId);
    const answer = await this.#wire.ask('interactive', {
      type: 'block_suggestion',
      action_id: (block['element'] as Json)['action_id'] as string,
      block_id: blockId,
      value: typed,
      team: { id: TEAM, domain: 'fake' },
      user: this.#person(user),
      api_app_id: APP_ID,
      container: { type: 'view', view_id: id },
      view: { ...view, id },
    });
    const options = (answer?.['options'] ?? []) as Json[];
    if (options.length > 100) this.#workspace.problem(`${options.length} suggestions; at most 100 are taken`);
    return options.map((each) => String((each['text'] as Json)['text']));
  }

  /**
   * Fills an open form and sends it. Fields that are not named keep what the form was opened with.
   *
   * @throws NotPossible when a required field is empty or a file is not of the kinds that the form takes
   */
  async submit(
    user: string,
    given: Readonly<Record<string, string | boolean>>,
    files: readonly GivenFile[],
  ): Promise<{ acknowledged: boolean; errors: Json | null }> {
    const { view, id, hash } = this.#form(user);
    const values: Json = {};
    const inputs = (view['blocks'] as Json[]).filter(({ type }) => type === 'input');
    const forFiles = inputs.filter(({ element }) => (element as Json)['type'] === 'file_input');
    for (const block of inputs) {
      const {
        block_id: blockId,
        element,
        optional,
        label,
      } = block as { block_id: string; element: Json; optional?: boolean; label: Json };
      // In a form with several fields for files, each gets one.
      const own = forFiles.length > 1 ? files.slice(forFiles.indexOf(block)).slice(0, 1) : files;
      const value = this.#fieldValue(user, element, given[blockId], own);
      if (value === null && optional !== true)
        throw new NotPossible(`${String(label['text'])}: please complete this field`);
      values[blockId] = { [String(element['action_id'])]: { type: String(element['type']), ...value } };
    }
    for (const name of Object.keys(given)) this.#block(view, name);
    const answer = await this.#wire.ask('interactive', {
      type: 'view_submission',
      team: { id: TEAM, domain: 'fake' },
      user: this.#person(user),
      api_app_id: APP_ID,
      trigger_id: this.#keys(user, '').trigger_id,
      response_urls: [],
      is_enterprise_install: false,
      view: { ...view, id, hash, state: { values } },
    });
    const errors = answer?.['response_action'] === 'errors' ? (answer['errors'] as Json) : null;
    if (errors !== null) for (const blockId of Object.keys(errors)) this.#block(view, blockId);
    if (answer !== null && errors === null) this.#workspace.forms.delete(user);
    return { acknowledged: answer !== null, errors };
  }

  async press(
    user: string,
    channelId: string,
    ts: string,
    label: string,
  ): Promise<{ acknowledged: boolean }> {
    const channel = this.#member(user, channelId);
    const own = this.#workspace.ephemerals.find((each) => each.id === ts && each.user === user);
    const { blocks } = own ?? this.#visible(channel, ts);
    const button = blocks
      .flatMap(({ type, elements, accessory }) => [
        ...(type === 'actions' ? (elements as Json[]) : []),
        ...(accessory === undefined ? [] : [accessory as Json]),
      ])
      .flatMap((element) => pressable(element))
      .find(({ text }) => (text as Json)['text'] === label);
    if (!button) throw new NotPossible(`there is no button and no choice “${label}”`);
    const answer = await this.#wire.ask('interactive', {
      type: 'block_actions',
      team: { id: TEAM, domain: 'fake' },
      user: this.#person(user),
      api_app_id: APP_ID,
      container: { type: 'message', message_ts: ts, channel_id: channel.id, is_ephemeral: own !== undefined },
      channel: { id: channel.id, name: calledIn(channel) },
      message: { ts, user: BOT_USER },
      actions: [
        {
          ...(button['menu'] === undefined
            ? {
                type: 'button',
                action_id: String(button['action_id']),
                value: String(button['value']),
                text: button['text'] as Json,
              }
            : {
                type: 'static_select',
                action_id: String(button['menu']),
                selected_option: { text: button['text'] as Json, value: String(button['value']) },
              }),
          block_id: 'b1',
          action_ts: this.#workspace.ts(),
        },
      ],
      ...this.#keys(user, channel.id),
    });
    return { acknowledged: answer !== null };
  }

  react(user: string, channelId: string, ts: string, name: string, added: boolean): void {
    const channel = this.#member(user, channelId);
    const message = this.#visible(channel, ts);
    const bare = name.replace(/::skin-tone-\d$/, '');
    let there = message.reactions.find((each) => each.name === name);
    if (added) {
      if (there?.users.includes(user)) throw new NotPossible(`${name} is there already`);
      if (!there) message.reactions.push((there = { name, users: [] }));
      there.users.push(user);
    } else {
      if (!there?.users.includes(user)) throw new NotPossible(`${bare} is not there`);
      there.users.splice(there.users.indexOf(user), 1);
      if (there.users.length === 0) message.reactions.splice(message.reactions.indexOf(there), 1);
    }
    if (!channel.members.has(BOT_USER) || !this.#workspace.scopes.has('reactions:read')) return;
    this.#wire.event({
      type: added ? 'reaction_added' : 'reaction_removed',
      user,
      reaction: name,
      item: { type: 'message', channel: channel.id, ts },
      item_user: message.user,
      event_ts: this.#workspace.ts(),
    });
  }

  openHome(user: string): void {
    this.#wire.event({
      type: 'app_home_opened',
      user,
      channel: `D${user}`,
      tab: 'home',
      event_ts: this.#workspace.ts(),
    });
  }

  deleteMessage(user: string, channelId: string, ts: string): void {
    const channel = this.#member(user, channelId);
    const message = this.#visible(channel, ts);
    if (message.user !== user && !this.#workspace.users.get(user)!.admin)
      throw new NotPossible('only admins delete what others wrote');
    this.#workspace.unpost(channel, message);
  }

  #keys(user: string, channel: string): { trigger_id: string; response_url: string } {
    const trigger = this.#workspace.onlyTrigger ?? this.#workspace.id('trigger');
    this.#triggers.set(trigger, { user, until: this.#workspace.now() + TRIGGER_LASTS });
    const url = this.#workspace.id('url');
    this.#urls.set(url, { user, channel, until: this.#workspace.now() + URL_LASTS, uses: 0 });
    return { trigger_id: trigger, response_url: `${this.#host.address}/answers/${url}` };
  }

  #upload(user: string, { name, base64 }: GivenFile): SlackFile {
    const file: SlackFile = {
      id: this.#workspace.id('F'),
      name,
      owner: user,
      bytes: Buffer.from(base64, 'base64'),
      readyAt: this.#workspace.now(),
      deleted: false,
      shares: [],
      given: false,
    };
    this.#workspace.files.set(file.id, file);
    return file;
  }

  #fieldValue(
    user: string,
    element: Json,
    given: string | boolean | undefined,
    files: readonly GivenFile[],
  ): Json | null {
    const initial = element['initial_option'] as Json | undefined;
    switch (element['type']) {
      case 'plain_text_input': {
        const value = given ?? (element['initial_value'] as string | undefined);
        return value === undefined || value === '' ? null : { value };
      }
      case 'external_select':
        if (given === undefined) return initial ? { selected_option: initial } : null;
        return { selected_option: { text: { type: 'plain_text', text: given }, value: given } };
      case 'static_select': {
        const chosen = (element['options'] as Json[]).find(({ value }) => value === given);
        if (given !== undefined && !chosen) throw new NotPossible(`${String(given)} is not in the list`);
        return chosen ? { selected_option: chosen } : initial ? { selected_option: initial } : null;
      }
      case 'checkboxes':
        return given === true ? { selected_options: element['options'] as Json[] } : null;
      default:
        return this.#givenFiles(user, element, files);
    }
  }

  #givenFiles(user: string, element: Json, files: readonly GivenFile[]): Json | null {
    if (files.length > Number(element['max_files'] ?? 10)) throw new NotPossible('too many files');
    const kinds = element['filetypes'] as string[] | undefined;
    const kept = files.map((file) => {
      // The client looks at the name's ending alone.
      if (kinds && !kinds.includes(file.name.split('.').at(-1)!.toLowerCase()))
        throw new NotPossible(`${file.name} is not of a kind that this form takes`);
      if (file.base64.length * 0.75 > MOST_BYTES) throw new NotPossible(`${file.name} is larger than 10 MB`);
      const uploaded = this.#upload(user, file);
      uploaded.given = true;
      return fileObject(this.#host, uploaded);
    });
    return kept.length === 0 ? null : { files: kept };
  }

  #form(user: string) {
    const form = this.#workspace.forms.get(user);
    if (!form) throw new NotPossible('no form is open');
    return form;
  }

  #block(view: Json, id: string): Json {
    const block = (view['blocks'] as Json[]).find(({ block_id }) => block_id === id);
    if (!block) throw new NotPossible(`the form has no field ${id}`);
    return block;
  }

  #person(user: string) {
    const { name } = this.#workspace.users.get(user)!;
    return { id: user, username: name, name, team_id: TEAM };
  }

  #member(user: string, channelId: string): Channel {
    const channel = this.#workspace.channel(channelId);
    if (!channel?.members.has(user) || channel.archived)
      throw new NotPossible('not a channel of this member');
    return channel;
  }

  #visible(channel: Channel, ts: string): Message {
    const message = channel.messages.find((each) => each.ts === ts);
    if (!message) throw new NotPossible('no such message');
    return message;
  }
}

/** A button, or the choices of a list, each with the list's id. */
const pressable = (element: Json): Json[] =>
  element['type'] === 'static_select'
    ? (element['options'] as Json[]).map((option) => ({ ...option, menu: String(element['action_id']) }))
    : [element];
