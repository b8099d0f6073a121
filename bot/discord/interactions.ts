/**
 * @file Interactions of members: commands, forms, buttons, completion and the menu of a message, each handed to
 * the bot's handlers. A form must be the first answer, so whether to show one is told by the interaction alone.
 */
import {
  type AutocompleteInteraction,
  type ButtonInteraction,
  type ChatInputCommandInteraction,
  type Interaction,
  type MessageContextMenuCommandInteraction,
  type ModalSubmitInteraction,
} from 'discord.js';
import { errorCard } from '../../commands/cards/format.ts';
import type { Attachment } from '../../commands/contract.ts';
import { KronaError } from '../../core/errors.ts';
import type { GatewayHandlers, InvocationEvent } from '../gateway.ts';
import { type Answerable, answerAtOnce, answering, type AnsweringParts } from './answering.ts';
import { isDiscord, isExpired, postForbidden, stopping } from './errors.ts';
import { commandName, commandOptions, whoAndWhere } from './events.ts';
import { AGREED, FIELD, type FormPurpose, photoForm, purposeOf, wantsForm } from './form.ts';
import { incoming } from './incoming.ts';
import { missingPermissions } from './permissions.ts';
import { ADD_PHOTOS } from './registration.ts';
import { actionOf } from './render.ts';

/** Longest completion that Discord takes, characters. */
const MAX_CHOICE = 100;
/** Messages whose files wait for their form. */
const MOST_WAITING = 500;

export class Interactions {
  readonly #parts: AnsweringParts;
  /**
   * Files of messages by message id, from the menu until the form is sent: Discord tells them with the menu alone
   * to a bot that may not read messages. Fetched when the member has consented.
   */
  readonly #waiting = new Map<string, readonly Attachment[]>();

  constructor(parts: AnsweringParts) {
    this.#parts = parts;
  }

  /** Deals with one interaction. Never rejects. @param handlers null while the bot stops */
  async take(interaction: Interaction, handlers: GatewayHandlers | null): Promise<void> {
    try {
      if (interaction.isAutocomplete()) await this.#complete(interaction, handlers);
      else if (
        interaction.isChatInputCommand() ||
        interaction.isMessageContextMenuCommand() ||
        interaction.isModalSubmit() ||
        interaction.isButton()
      ) {
        await this.#dispatch(interaction, handlers);
      }
    } catch (error) {
      if (isExpired(error)) this.#parts.log.warn({ error }, 'an answer came after Discord takes it');
      else this.#parts.log.error({ error }, 'could not deal with an interaction on Discord');
    }
  }

  async #dispatch(interaction: Answerable, handlers: GatewayHandlers | null): Promise<void> {
    try {
      if (handlers === null) throw stopping();
      refuse(interaction);
      if (interaction.isButton()) await this.#press(interaction, handlers);
      else if (interaction.isModalSubmit()) await this.#submit(interaction, handlers);
      else if (interaction.isMessageContextMenuCommand()) await this.#choosePhotos(interaction);
      else await this.#command(interaction, handlers);
    } catch (error) {
      // Handlers do not throw: nothing was acknowledged, and the member would wait in vain.
      if (isExpired(error) || isDiscord(error, 'alreadyAcknowledged')) throw error;
      if (!(error instanceof KronaError))
        this.#parts.log.error({ error }, 'could not deal with an interaction on Discord');
      await answerAtOnce(interaction, errorCard(error), this.#parts);
    }
  }

  async #command(interaction: ChatInputCommandInteraction, handlers: GatewayHandlers): Promise<void> {
    const name = commandName(interaction);
    const { options, attachments } = commandOptions(interaction);
    if (attachments.length === 0 && wantsForm({ ...name, options }))
      await interaction.showModal(photoForm({ ...name, options, messageId: null }));
    else await this.#invoke(interaction, handlers, { ...name, options, attachments });
  }

  /** The menu of a message: its files, after a form about whose they are. */
  async #choosePhotos(interaction: MessageContextMenuCommandInteraction): Promise<void> {
    const { targetMessage, user, commandName: chosen } = interaction;
    if (chosen !== ADD_PHOTOS)
      throw new KronaError(
        'COMMAND_UNKNOWN',
        `Krona has no command “${chosen}”; ask an administrator to register again.`,
      );
    if (targetMessage.author.id !== user.id)
      throw new KronaError(
        'NOT_ALLOWED',
        'Only who sent a message may give its photos to Krona; ask them to do it.',
      );
    const files = [...targetMessage.attachments.values()].map(incoming);
    if (files.length === 0)
      throw new KronaError(
        'NO_PHOTOS',
        'No file is attached to this message; choose one with 1 to 10 photos.',
      );
    this.#waiting.set(targetMessage.id, files);
    if (this.#waiting.size > MOST_WAITING) this.#waiting.delete(this.#waiting.keys().next().value!);
    const purpose = { command: 'photos', action: 'add', options: {}, messageId: targetMessage.id };
    await interaction.showModal(photoForm(purpose));
  }

  async #submit(interaction: ModalSubmitInteraction, handlers: GatewayHandlers): Promise<void> {
    const purpose = purposeOf(interaction.customId);
    if (purpose === null)
      throw new KronaError(
        'ACTION_UNKNOWN',
        'This form is of another version of Krona; use the command again.',
      );
    const { fields } = interaction;
    if (!fields.getCheckboxGroup(FIELD.consent).includes(AGREED))
      throw new KronaError(
        'CONSENT_MISSING',
        'Krona takes photos only from who may share them: tick the box.',
      );
    const filled = [FIELD.subject, FIELD.class, FIELD.caption].flatMap((name) => {
      const value = fields.getTextInputValue(name);
      return value === '' ? [] : [[name, value]];
    });
    await this.#invoke(interaction, handlers, {
      command: purpose.command,
      action: purpose.action,
      options: {
        ...purpose.options,
        ...(Object.fromEntries(filled) as Record<string, string>),
      },
      attachments: this.#filesOf(interaction, purpose),
    });
  }

  /** @throws KronaError ATTACHMENT_GONE */
  #filesOf({ fields }: ModalSubmitInteraction, { messageId }: FormPurpose): readonly Attachment[] {
    if (messageId === null) return [...(fields.getUploadedFiles(FIELD.photos)?.values() ?? [])].map(incoming);
    const files = this.#waiting.get(messageId);
    if (files === undefined)
      throw new KronaError(
        'ATTACHMENT_GONE',
        `Krona was restarted meanwhile; choose “${ADD_PHOTOS}” in the message’s menu again.`,
      );
    this.#waiting.delete(messageId);
    return files;
  }

  async #invoke(
    interaction: Answerable,
    handlers: GatewayHandlers,
    asked: Pick<InvocationEvent, 'command' | 'action' | 'options' | 'attachments'>,
  ): Promise<void> {
    await handlers.onInvocation({
      ...whoAndWhere(interaction),
      ...asked,
      ...answering(interaction, this.#parts),
    });
  }

  async #press(interaction: ButtonInteraction, handlers: GatewayHandlers): Promise<void> {
    const action = actionOf(interaction.customId);
    await handlers.onAction({ ...whoAndWhere(interaction), action, ...answering(interaction, this.#parts) });
  }

  async #complete(interaction: AutocompleteInteraction, handlers: GatewayHandlers | null): Promise<void> {
    const { name, value } = interaction.options.getFocused(true);
    const place = { ...whoAndWhere(interaction), ...commandName(interaction) };
    const values =
      handlers === null || !interaction.inGuild()
        ? []
        : await handlers.onCompletion({ ...place, option: name, typed: String(value) });
    const shown = values.filter((each) => each.length > 0 && each.length <= MAX_CHOICE);
    await interaction.respond(shown.map((each) => ({ name: each, value: each })));
  }
}

/** @throws KronaError NOT_HERE, POST_FORBIDDEN when an interaction is not to be carried out at all */
function refuse(interaction: Answerable): void {
  if (!interaction.inGuild())
    throw new KronaError(
      'NOT_HERE',
      'Krona works in the channels of a server, as it learns with a company; ask there.',
    );
  const thread = interaction.channel?.isThread() ?? false;
  const missing = missingPermissions(interaction.appPermissions, thread);
  if (missing.length > 0) throw postForbidden(whoAndWhere(interaction).channel.name, missing);
}
