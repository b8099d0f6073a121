/**
 * @file Interactions of members: commands, forms, buttons, completion and the menu of a message, each acknowledged and
 * handed to the bot's handlers. A form must be the first answer, so the interaction alone decides whether to show one.
 */
import {
  type Attachment as DiscordAttachment,
  type AutocompleteInteraction,
  type ButtonInteraction,
  type ChatInputCommandInteraction,
  type Interaction,
  InteractionResponseType,
  type MessageContextMenuCommandInteraction,
  type ModalSubmitInteraction,
  type StringSelectMenuInteraction,
} from 'discord.js';
import { errorCard } from '../../commands/cards/format.ts';
import type { Attachment } from '../../commands/contract.ts';
import { KronaError } from '../../core/errors.ts';
import type { GatewayHandlers, InvocationEvent } from '../gateway.ts';
import { RecentMap } from '../../core/recent.ts';
import { type Answerable, answerAtOnce, answering, type AnsweringParts } from './answering.ts';
import { isDiscord, isExpired } from './errors.ts';
import { stopping } from '../stopping.ts';
import { commandName, commandOptions, whoAndWhere } from './events.ts';
import { FIELD, formModal, type FormPurpose, purposeOf, submittedOptions, wantsForm } from './form.ts';
import { incoming } from './incoming.ts';
import { commandOfForm, REMIX, REMIX_TITLE } from '../photo-form.ts';
import type { Places } from './places.ts';
import { picturesIn } from './pictures-in.ts';
import { ADD_PHOTOS } from './registration.ts';
import { isPlaceOfKrona, refuseElsewhere } from './refusal.ts';
import { actionOf } from './render.ts';

/** Longest completion that Discord takes, characters. */
const MAX_CHOICE = 100;
/** Messages whose files wait for their form. */
const MOST_WAITING = 500;

export interface InteractionsParts extends AnsweringParts {
  readonly places: Places;
  /** Members can draw in direct messages. */
  readonly direct: boolean;
  /** Of an interface that is not Discord's own; null: Discord's. */
  readonly api: string | null;
}

export class Interactions {
  readonly #parts: InteractionsParts;
  /**
   * Files of the newest messages, from the menu until the form is sent: Discord names them only with the menu to a bot that
   * can't read messages. Fetched when the member has consented. By `waitingKey`, so that a form with another member's message,
   * or for something else than the menu allowed, finds none.
   */
  readonly #waiting = new RecentMap<string, readonly Attachment[]>(MOST_WAITING);

  constructor(parts: InteractionsParts) {
    this.#parts = parts;
  }

  /** Handles one interaction. Never rejects. @param handlers - null while the bot stops */
  async take(interaction: Interaction, handlers: GatewayHandlers | null): Promise<void> {
    try {
      if (interaction.isAutocomplete()) await this.#complete(interaction, handlers);
      else if (
        interaction.isChatInputCommand() ||
        interaction.isMessageContextMenuCommand() ||
        interaction.isModalSubmit() ||
        interaction.isButton() ||
        interaction.isStringSelectMenu()
      ) {
        await this.#dispatch(interaction, handlers);
      }
    } catch (error) {
      if (isExpired(error)) this.#parts.log.warn({ error }, 'an answer came too late for Discord');
      else this.#parts.log.error({ error }, 'could not handle an interaction on Discord');
    }
  }

  async #dispatch(interaction: Answerable, handlers: GatewayHandlers | null): Promise<void> {
    try {
      if (handlers === null) throw stopping();
      refuseElsewhere(interaction, this.#parts);
      if (interaction.isButton()) await this.#press(interaction, interaction.customId, handlers);
      else if (interaction.isStringSelectMenu()) await this.#choose(interaction, handlers);
      else if (interaction.isModalSubmit()) await this.#submit(interaction, handlers);
      else if (interaction.isMessageContextMenuCommand()) await this.#choosePhotos(interaction);
      else await this.#command(interaction, handlers);
    } catch (error) {
      // Handlers do not throw: nothing was acknowledged, and the member would wait for nothing.
      if (isExpired(error) || isDiscord(error, 'alreadyAcknowledged')) throw error;
      if (!(error instanceof KronaError))
        this.#parts.log.error({ error }, 'could not handle an interaction on Discord');
      await answerAtOnce(interaction, errorCard(error), this.#parts);
    }
  }

  async #command(interaction: ChatInputCommandInteraction, handlers: GatewayHandlers): Promise<void> {
    const name = commandName(interaction);
    const { options, attachments } = commandOptions(interaction, this.#parts.api);
    if (attachments.length === 0 && wantsForm({ ...name, options }))
      await this.#show(interaction, formModal({ ...name, options, messageId: null }));
    else await this.#invoke(interaction, handlers, { ...name, options, attachments });
  }

  /** The menu of a message: its files, after a form that says what to do with them. */
  async #choosePhotos(interaction: MessageContextMenuCommandInteraction): Promise<void> {
    const { targetMessage, user, commandName: chosen } = interaction;
    if (chosen === REMIX_TITLE) return this.#remix(interaction);
    if (chosen !== ADD_PHOTOS)
      throw new KronaError(
        'COMMAND_UNKNOWN',
        `Krona has no command “${chosen}”. An administrator must register the commands again.`,
      );
    if (targetMessage.author.id !== user.id)
      throw new KronaError(
        'NOT_ALLOWED',
        "Only the sender can submit a message's photos. Ask them to do it.",
      );
    const files = [...targetMessage.attachments.values()].map((file) => this.#incoming(file));
    if (files.length === 0)
      throw new KronaError(
        'NO_PHOTOS',
        'No file is attached to this message. Choose one with 1 to 10 photos.',
      );
    await this.#askAbout(interaction, files, { command: 'photos', action: 'add' });
  }

  async #remix(interaction: MessageContextMenuCommandInteraction): Promise<void> {
    const { targetMessage, client } = interaction;
    const pictures = picturesIn(targetMessage).map((file) => this.#incoming(file));
    if (pictures.length === 0)
      throw new KronaError('NO_PHOTOS', 'This message has no picture. Choose one with a picture.');
    const action = targetMessage.author.id === client.user.id ? REMIX.ofKrona : REMIX.ofMember;
    await this.#askAbout(interaction, pictures, { command: 'imagine', action });
  }

  /** Opens the form of a message's files. */
  async #askAbout(
    interaction: MessageContextMenuCommandInteraction,
    files: readonly Attachment[],
    what: Pick<FormPurpose, 'command' | 'action'>,
  ): Promise<void> {
    const purpose = { ...what, options: {}, messageId: interaction.targetMessage.id };
    this.#waiting.set(waitingKey(interaction.user.id, purpose), files);
    await this.#show(interaction, formModal(purpose));
  }

  async #submit(interaction: ModalSubmitInteraction, handlers: GatewayHandlers): Promise<void> {
    const purpose = purposeOf(interaction.customId);
    if (purpose === null)
      throw new KronaError(
        'ACTION_UNKNOWN',
        'This form is from another version of Krona. Use the command again.',
      );
    const sent = {
      command: purpose.command,
      action: purpose.action,
      options: submittedOptions(purpose, interaction.fields),
      attachments: this.#filesOf(interaction, purpose),
    };
    await this.#invoke(interaction, handlers, commandOfForm(sent));
  }

  #incoming(file: Pick<DiscordAttachment, 'name' | 'size' | 'url'>): Attachment {
    return incoming(file, this.#parts.api);
  }

  /** @throws KronaError ATTACHMENT_GONE */
  #filesOf({ fields, user }: ModalSubmitInteraction, purpose: FormPurpose): readonly Attachment[] {
    if (purpose.messageId === null)
      return [...(fields.getUploadedFiles(FIELD.photos)?.values() ?? [])].map((file) => this.#incoming(file));
    const files = this.#waiting.get(waitingKey(user.id, purpose));
    if (files === undefined)
      throw new KronaError(
        'ATTACHMENT_GONE',
        'Krona has restarted. Choose the same in the message’s menu again.',
      );
    // They stay: the member may have opened a second form.
    return files;
  }

  async #invoke(
    interaction: Answerable,
    handlers: GatewayHandlers,
    asked: Pick<InvocationEvent, 'command' | 'action' | 'options' | 'attachments'>,
  ): Promise<void> {
    const answer = answering(interaction, this.#parts);
    if (await this.#parts.callbacks.acknowledge(interaction))
      await handlers.onInvocation({ ...whoAndWhere(interaction, this.#parts.places), ...asked, answer });
  }

  /** A choice from a list is a press of the button that it stands for; to take it back does nothing. */
  async #choose(interaction: StringSelectMenuInteraction, handlers: GatewayHandlers): Promise<void> {
    const [chosen] = interaction.values;
    if (chosen === undefined) await this.#parts.callbacks.acknowledge(interaction);
    else await this.#press(interaction, chosen, handlers);
  }

  async #press(
    interaction: ButtonInteraction | StringSelectMenuInteraction,
    id: string,
    handlers: GatewayHandlers,
  ): Promise<void> {
    const action = actionOf(id);
    const answer = answering(interaction, this.#parts);
    if (await this.#parts.callbacks.acknowledge(interaction))
      await handlers.onAction({ ...whoAndWhere(interaction, this.#parts.places), action, answer });
  }

  #show(interaction: Answerable, data: ReturnType<typeof formModal>): Promise<void> {
    return this.#parts.callbacks.answer(interaction, { type: InteractionResponseType.Modal, data });
  }

  async #complete(interaction: AutocompleteInteraction, handlers: GatewayHandlers | null): Promise<void> {
    const { name, value } = interaction.options.getFocused(true);
    const place = { ...whoAndWhere(interaction, this.#parts.places), ...commandName(interaction) };
    const values =
      handlers === null || !isPlaceOfKrona(interaction, this.#parts)
        ? []
        : await handlers.onCompletion({ ...place, option: name, typed: String(value) });
    const shown = values.filter((each) => each.length > 0 && each.length <= MAX_CHOICE);
    await this.#parts.callbacks.answer(interaction, {
      type: InteractionResponseType.ApplicationCommandAutocompleteResult,
      data: { choices: shown.map((each) => ({ name: each, value: each })) },
    });
  }
}

const waitingKey = (userId: string, { command, action, messageId }: FormPurpose): string =>
  `${userId} ${command} ${action} ${messageId}`;
