/**
 * @file What people do with Discord's client, and no more than that: registered commands with the options that they
 * have, forms with their required fields, buttons that are there to be pressed.
 */
import {
  type APILabelComponent,
  ApplicationCommandOptionType as OptionType,
  ComponentType,
  InteractionType,
} from 'discord-api-types/v10';
import {
  type Channel,
  flat,
  choicesOf,
  isButton,
  type Message,
  type Platform,
  type StoredFile,
  type StoredInteraction,
  type User,
} from './platform.ts';

export interface GivenFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export type GivenOptions = Readonly<Record<string, string | number | boolean | GivenFile>>;

/** A form as somebody fills it: text by field, `true` for a ticked box, files. */
export type GivenFields = Readonly<Record<string, string | true | readonly GivenFile[]>>;

type Node = Record<string, unknown>;

const isFile = (value: unknown): value is GivenFile =>
  typeof value === 'object' && value !== null && 'bytes' in value;
const IMAGE = /\.(png|jpe?g|webp|gif|avif|heic)$/i;

export class Actors {
  readonly #platform: Platform;

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** `path`: `train`, `photos add`. */
  command(userId: string, channelId: string, path: string, given: GivenOptions): string {
    const { leaf, wrap } = this.#find(path);
    const resolved: Record<string, object> = {};
    const options = Object.entries(given).map(([name, value]) => {
      const option = optionsOf(leaf).find((each) => each['name'] === name);
      if (!option) throw new Error(`/krona ${path} has no option ${name}`);
      return { name, type: option['type'], value: this.#value(option, value, resolved) };
    });
    for (const option of optionsOf(leaf))
      if (option['required'] === true && !(String(option['name']) in given))
        throw new Error(`the client does not send /krona ${path} without ${String(option['name'])}`);
    const data = { ...this.#root(1, 'krona'), options: wrap(options), resolved: { attachments: resolved } };
    return this.#send(InteractionType.ApplicationCommand, userId, channelId, data);
  }

  complete(userId: string, channelId: string, path: string, option: string, typed: string): string {
    const { leaf, wrap } = this.#find(path);
    const declared = optionsOf(leaf).find((each) => each['name'] === option);
    if (declared?.['autocomplete'] !== true) throw new Error(`the client does not complete ${option}`);
    const options = wrap([{ name: option, type: declared['type'], value: typed, focused: true }]);
    return this.#send(InteractionType.ApplicationCommandAutocomplete, userId, channelId, {
      ...this.#root(1, 'krona'),
      options,
    });
  }

  /** A command from the menu of a message. */
  messageCommand(userId: string, channelId: string, messageId: string, name: string): string {
    const message = this.#seen(userId, channelId, messageId);
    const data = {
      ...this.#root(3, name),
      target_id: messageId,
      resolved: { messages: { [messageId]: this.#platform.messageData(message, { handedOver: true }) } },
    };
    return this.#send(InteractionType.ApplicationCommand, userId, channelId, data);
  }

  press(userId: string, channelId: string, messageId: string, label: string): string {
    const message = this.#seen(userId, channelId, messageId);
    const components = flat(message.components);
    const button = components.find((each) => isButton(each) && each['label'] === label);
    const chosen = button ? undefined : choicesOf(components).find((choice) => choice.label === label);
    if (!button && !chosen) throw new Error(`there is no button and no choice ${label}`);
    const data = chosen
      ? { component_type: ComponentType.StringSelect, custom_id: chosen.menu, values: [chosen.value] }
      : { component_type: ComponentType.Button, custom_id: button!['custom_id'] };
    return this.#send(InteractionType.MessageComponent, userId, channelId, data, message);
  }

  /** @param by - another member, with a client of their own */
  submit(interactionId: string, given: GivenFields, by?: string): string {
    const { form, userId, channelId } = this.#platform.interactions.get(interactionId)!;
    if (form === null) throw new Error('no form was shown');
    const attachments: Record<string, object> = {};
    const components = form.components.map((label) => {
      const { component, label: title } = label as APILabelComponent;
      const id = 'custom_id' in component ? component.custom_id : '';
      const value = given[id];
      return {
        type: ComponentType.Label,
        id: 1,
        component: this.#field(component, title, value, attachments),
      };
    });
    const unknown = Object.keys(given).find(
      (name) => !form.components.some((label) => JSON.stringify(label).includes(`"custom_id":"${name}"`)),
    );
    if (unknown !== undefined) throw new Error(`the form has no field ${unknown}`);
    const data = { custom_id: form.custom_id, components, resolved: { attachments } };
    return this.#send(InteractionType.ModalSubmit, by ?? userId, channelId, data);
  }

  say(userId: string, channelId: string, content: string, files: readonly GivenFile[]): string {
    const stored = files.map(({ name, bytes }) =>
      this.#platform.store({ name, bytes: Buffer.from(bytes) }, 'attachments'),
    );
    const base = { authorId: userId, channelId, content, flags: 0, components: [], onlyFor: null };
    return this.#platform.addMessage({ ...base, files: stored }).id;
  }

  #field(
    component: APILabelComponent['component'],
    title: string,
    value: GivenFields[string] | undefined,
    attachments: Record<string, object>,
  ): object {
    const needed = !('required' in component) || component.required !== false;
    const missing = () => new Error(`the client does not send a form without “${title}”`);
    const custom = { custom_id: 'custom_id' in component ? component.custom_id : '' };
    if (component.type === ComponentType.TextInput) {
      const text = value ?? component.value ?? '';
      if (typeof text !== 'string' || (text === '' && needed)) throw missing();
      if (text.length > (component.max_length ?? 4000)) throw new Error(`“${title}” is too long`);
      return { type: component.type, id: 2, ...custom, value: text };
    }
    if (component.type === ComponentType.CheckboxGroup) {
      const values = value === true ? [component.options[0]!.value] : [];
      if (values.length === 0 && needed) throw missing();
      return { type: component.type, id: 2, ...custom, values };
    }
    if (component.type === ComponentType.FileUpload) {
      const files = (value ?? []) as readonly GivenFile[];
      if (files.length < (component.min_values ?? 1) && needed) throw missing();
      if (files.length > (component.max_values ?? 1)) throw new Error(`too many files for “${title}”`);
      const stored = files.map((file) => this.#upload(file, component.file_types, true));
      for (const file of stored)
        attachments[file.id] = { ...this.#platform.attachment(file), ephemeral: true };
      return { type: component.type, id: 2, ...custom, values: stored.map(({ id }) => id) };
    }
    throw new Error(`no client shows a component ${component.type} in a form`);
  }

  #upload({ name, bytes }: GivenFile, types: readonly string[] | undefined, ephemeral: boolean): StoredFile {
    const fits = types?.some((type) => (type === 'image' ? IMAGE.test(name) : name.endsWith(type))) ?? true;
    if (!fits) throw new Error(`the client does not let ${name} be chosen`);
    const folder = ephemeral ? 'ephemeral-attachments' : 'attachments';
    return this.#platform.store({ name, bytes: Buffer.from(bytes) }, folder);
  }

  #value(option: Node, value: GivenOptions[string], resolved: Record<string, object>): unknown {
    const name = String(option['name']);
    if (option['type'] === OptionType.Attachment) {
      if (!isFile(value)) throw new Error(`${name} takes a file`);
      const file = this.#upload(value, option['file_types'] as string[] | undefined, true);
      resolved[file.id] = { ...this.#platform.attachment(file), ephemeral: true };
      return file.id;
    }
    const fits =
      option['type'] === OptionType.String
        ? typeof value === 'string'
        : option['type'] === OptionType.Boolean
          ? typeof value === 'boolean'
          : typeof value === 'number' && (option['type'] === OptionType.Number || Number.isInteger(value));
    if (!fits) throw new Error(`the client does not take ${JSON.stringify(value)} for ${name}`);
    const choices = option['choices'] as { value: unknown }[] | undefined;
    if (choices && !choices.some((choice) => choice.value === value))
      throw new Error(`${name} has no choice ${JSON.stringify(value)}`);
    if (
      typeof value === 'number' &&
      (value < Number(option['min_value'] ?? -Infinity) || value > Number(option['max_value'] ?? Infinity))
    )
      throw new Error(`${value} is out of bounds for ${name}`);
    return value;
  }

  /** The declaration of `photos add`, and what puts its options into their group. */
  #find(path: string): { leaf: Node; wrap: (options: object[]) => object[] } {
    let leaf = this.#root(1, 'krona');
    let wrap = (options: object[]) => options;
    for (const name of path.split(' ')) {
      const next = optionsOf(leaf).find((each) => each['name'] === name);
      if (!next) throw new Error(`/krona ${path} is not registered`);
      const outer = wrap;
      const { type } = next;
      wrap = (options) => outer([{ name, type, options }]);
      leaf = next;
    }
    return { leaf, wrap };
  }

  /** A registered command. */
  #root(type: number, name: string): Node {
    const { global, guild } = this.#platform.commands;
    const command = [...guild, ...global].find(
      (each) => each['name'] === name && (each['type'] ?? 1) === type,
    );
    if (!command) throw new Error(`${name} is not registered`);
    return { ...command, id: '1', type };
  }

  #seen(userId: string, channelId: string, messageId: string): Message {
    const message = this.#platform.channels.get(channelId)?.messages.get(messageId);
    if (!message || (message.onlyFor !== null && message.onlyFor !== userId))
      throw new Error('no such message');
    return message;
  }

  #send(type: number, userId: string, channelId: string, data: Node, message?: Message): string {
    const platform = this.#platform;
    const user = platform.user(userId);
    const channel = platform.channels.get(channelId)!;
    const here = channel.directTo === null ? platform.joined && !user.left : channel.directTo === userId;
    if (channel.deleted || !here) throw new Error('there is no such command here');
    this.#listed(data, user, channel);
    const interaction: StoredInteraction = {
      id: platform.newId(),
      token: `token-${platform.newId()}`,
      type,
      userId,
      channelId,
      createdAt: platform.now(),
      sentAt: performance.now(),
      acknowledgedAt: null,
      messageId: message?.id ?? null,
      state: 'waiting',
      ephemeral: false,
      form: null,
      choices: null,
      originalId: null,
      followUps: [],
    };
    platform.interactions.set(interaction.id, interaction);
    platform.tell('INTERACTION_CREATE', this.#payload(interaction, user, channel, data, message));
    return interaction.id;
  }

  /** A client lists a command where its contexts say so, to whom its kinds of installation reach. */
  #listed({ contexts, integration_types: kinds }: Node, user: User, { directTo }: Channel): void {
    // Forms and buttons are part of a message that is there.
    if (contexts === undefined) return;
    const context = directTo === null ? 0 : 1;
    const kind = user.installed ? 1 : 0;
    if (!(contexts as number[]).includes(context) || !(kinds as number[]).includes(kind))
      throw new Error('the client lists no such command here');
  }

  #payload(
    interaction: StoredInteraction,
    user: User,
    channel: Channel,
    data: Node,
    message?: Message,
  ): object {
    const platform = this.#platform;
    const { id, token, type } = interaction;
    const { options, resolved, ...rest } = data;
    const told = {
      ...rest,
      ...(options !== undefined && { options }),
      ...(resolved !== undefined && { resolved }),
    };
    return {
      id,
      token,
      type,
      version: 1,
      application_id: platform.applicationId,
      ...(channel.directTo === null
        ? {
            guild_id: platform.guildId,
            guild: { id: platform.guildId, locale: 'en-US', features: [] },
            guild_locale: 'en-US',
            member: {
              ...platform.memberData(user),
              permissions: String(platform.permissions(user, channel)),
            },
            authorizing_integration_owners: { 0: platform.guildId },
            context: 0,
          }
        : {
            user: platform.userData(user),
            authorizing_integration_owners: user.installed ? { 1: user.id } : { 0: '0' },
            context: 1,
          }),
      channel_id: channel.id,
      channel: platform.channelData(channel),
      app_permissions: String(platform.permissions(platform.bot, channel)),
      locale: 'en-US',
      entitlements: [],
      ...(platform.tellsLimit && { attachment_size_limit: platform.fileLimit }),
      data: told,
      ...(message && { message: platform.messageData(message) }),
    };
  }
}

const optionsOf = (node: Node): Node[] => (node['options'] ?? []) as Node[];
