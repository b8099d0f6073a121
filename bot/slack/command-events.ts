/**
 * @file Commands, and the forms that some of them open. A form opens right after the acknowledgement, as the key to open
 * it lasts 3 s.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import type { Card } from '../../commands/card.ts';
import { errorCard } from '../../commands/cards/format.ts';
import type { Attachment } from '../../commands/contract.ts';
import { declared, parseCommandLine } from '../../commands/index.ts';
import type { OptionValues } from '../../commands/contract.ts';
import { KronaError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { GatewayHandlers, Place } from '../gateway.ts';
import { commandOfForm, photoForm, type PhotoFormData, REMIX } from '../photo-form.ts';
import type { Caller } from './answers.ts';
import { type Asked, type Entrance, notHere } from './entrance.ts';
import { COMPLETED, type FilledForm, type FormPurpose, formView } from './forms.ts';
import { ownId } from '../../core/own-id.ts';
import type { Ids } from './ids.ts';
import { type Members, party } from './members.ts';
import { inPlainText, type Mention, optionsOf, readText, refusePlainMentions } from './mentions.ts';
import type { PhotoDownloads } from './photo-download.ts';
import { isDirect, type Places } from './places.ts';
import type { SlackApi } from './web-api.ts';

/** Longest that a command waits for the names of the people it mentions, ms: a form must be opened within 3 s. */
const LONGEST_NAMING = 1_000;
/** Characters of a file's name in a form: ten of them must fit beside the rest. */
const NAME = 60;

export interface CommandEventsParts {
  readonly api: SlackApi;
  readonly members: Members;
  readonly ids: Ids;
  readonly places: Places;
  readonly downloads: PhotoDownloads;
  readonly entrance: Entrance;
  readonly handlers: GatewayHandlers;
  readonly log: Log;
  /** Tells a member alone; never rejects. */
  tell(caller: Caller, card: Card): Promise<void>;
}

export interface MessageWithFiles {
  readonly user?: string;
  readonly files?: readonly {
    readonly id: string;
    readonly name?: string | null;
    readonly title?: string | null;
  }[];
  readonly blocks?: unknown;
}

/** Pictures in the blocks of a message, as Krona shows its own. */
const IMAGES = v.array(
  v.object({
    type: v.string(),
    alt_text: v.optional(v.string()),
    slack_file: v.optional(v.object({ id: v.optional(v.string()) })),
  }),
);

function picturesIn({ files = [], blocks }: MessageWithFiles): { id: string; name: string }[] {
  if (files.length > 0) return files.map(({ id, name, title }) => ({ id, name: name ?? title ?? 'picture' }));
  const { output, success } = v.safeParse(IMAGES, blocks);
  return success
    ? output.flatMap(({ slack_file: file }) =>
        file?.id === undefined ? [] : [{ id: file.id, name: 'picture' }],
      )
    : [];
}

interface Invoked {
  readonly command: string;
  readonly action: string;
  readonly attachments: readonly Attachment[];
}

export class CommandEvents {
  readonly #parts: CommandEventsParts;

  constructor(parts: CommandEventsParts) {
    this.#parts = parts;
  }

  /** `/krona …` @param trigger - the key to open a form */
  async command(asked: Asked, text: string, trigger: string): Promise<void> {
    const { line, mentions } = readText(text);
    try {
      refuseDirect(asked.place);
      const { name: command, action, options: parsed } = parseCommandLine(line);
      const { data } = declared(command, action);
      refusePlainMentions(parsed, data);
      const options = this.#named(mentions).then((named) => optionsOf(parsed, data, named, this.#parts.ids));
      const form = photoForm(command, action);
      if (form === null) this.#invoke(asked, { command, action, attachments: [] }, options);
      else await this.#openForm(asked, form, { command, action, files: [] }, await options, trigger);
    } catch (error) {
      const card = errorCard(error);
      const words = card.text?.map((each) => inPlainText(each, mentions));
      await this.#parts.tell(asked.caller, { ...card, ...(words && { text: words }) });
    }
  }

  /** The shortcut in the menu of a message: its files, after a form that says which subject they show. */
  async shortcut(asked: Asked, message: MessageWithFiles, trigger: string): Promise<void> {
    const { caller } = asked;
    const files = (message.files ?? []).map(({ id, name, title }) => ({
      id,
      name: (name ?? title ?? 'photo').slice(0, NAME),
    }));
    try {
      refuseDirect(asked.place);
      if (message.user !== caller.userId)
        throw new KronaError(
          'NOT_YOURS',
          "Only the sender can submit a message's photos. Ask them to use the shortcut, or send your own.",
        );
      const form = photoForm('photos', 'add');
      if (files.length === 0 || form === null)
        throw new KronaError('NO_PHOTOS', 'This message has no files. Choose one with 1 to 10 photos.');
      await this.#openForm(asked, form, { command: 'photos', action: 'add', files }, {}, trigger);
    } catch (error) {
      await this.#parts.tell(caller, errorCard(error));
    }
  }

  /** The shortcut that begins with a picture of a message, after a form that says what to draw. */
  async remix(asked: Asked, message: MessageWithFiles, isOurs: boolean, trigger: string): Promise<void> {
    try {
      refuseDirect(asked.place);
      const files = picturesIn(message).map(({ id, name }) => ({ id, name: name.slice(0, NAME) }));
      const action = isOurs ? REMIX.ofKrona : REMIX.ofMember;
      const form = photoForm('imagine', action);
      if (files.length === 0 || form === null)
        throw new KronaError('NO_PHOTOS', 'This message has no picture. Choose one with a picture.');
      await this.#openForm(asked, form, { command: 'imagine', action, files }, {}, trigger);
    } catch (error) {
      await this.#parts.tell(asked.caller, errorCard(error));
    }
  }

  /** A form that was sent. */
  submit({ place, responseUrl, at, command, action }: FormPurpose, form: FilledForm, user: Person): void {
    const channelId = ownId(place.externalId);
    const caller = { channelId, userId: user.id, responseUrl, at };
    const attachments = form.files.map((file) => this.#parts.downloads.attachment(file));
    const asked = {
      place: this.#parts.places.named(channelId, place.name),
      caller,
      userName: user.name ?? user.id,
    };
    try {
      const { options, ...what } = commandOfForm({ command, action, options: form.options, attachments });
      this.#invoke(asked, what, Promise.resolve(options));
    } catch (error) {
      void this.#parts.tell(caller, errorCard(error));
    }
  }

  /** Suggestions for an option of a form. */
  async complete(
    { command, action, place }: FormPurpose,
    actionId: string,
    typed: string,
    user: Person,
  ): Promise<readonly string[]> {
    const option = actionId.slice(COMPLETED.length);
    const { members, handlers, places } = this.#parts;
    const { moderator, ...member } = await members.person(user.id, user.name ?? user.id);
    const channel = places.named(ownId(place.externalId), place.name);
    return handlers.onCompletion({
      channel,
      member: party(member),
      moderator,
      command,
      action,
      option,
      typed,
    });
  }

  #invoke(asked: Asked, what: Invoked, options: Promise<OptionValues>): void {
    this.#parts.entrance.enter(asked, options, (who, ready) =>
      this.#parts.handlers.onInvocation({ ...who, ...what, options: ready }),
    );
  }

  /** Adds the names that Slack has left out of mentions, as far as they are known in time. */
  async #named(mentions: readonly Mention[]): Promise<readonly Mention[]> {
    const { members, places } = this.#parts;
    return Promise.all(
      mentions.map(async (mention) => {
        if (mention.name !== null || mention.kind === 'group') return mention;
        const { id } = mention;
        const asked = mention.kind === 'member' ? members.person(id) : places.known(id);
        const name = Promise.race([
          asked.then((found) => found.name),
          sleep(LONGEST_NAMING, id, { ref: false }),
        ]);
        return { ...mention, name: await name.catch(() => id) };
      }),
    );
  }

  /** @throws KronaError FORM_EXPIRED */
  async #openForm(
    { place, caller: { responseUrl, at } }: Asked,
    form: PhotoFormData,
    what: Pick<FormPurpose, 'command' | 'action' | 'files'>,
    typed: OptionValues,
    trigger: string,
  ): Promise<void> {
    const { api, log } = this.#parts;
    const view = formView(form, { ...what, place, responseUrl, at }, typed);
    await api
      .call('views.open', (client) => client.views.open({ trigger_id: trigger, view }), { repeatable: false })
      .catch((cause: unknown) => {
        if (cause instanceof KronaError && cause.code !== 'SLACK_REFUSED') throw cause;
        log.warn({ error: cause }, 'Slack: a form could not be opened');
        throw new KronaError('FORM_EXPIRED', 'Slack did not open the form in time. Send the command again.', {
          cause,
        });
      });
  }
}

/** Before a form is opened in vain. @throws KronaError NOT_HERE */
function refuseDirect({ externalId, name }: Place): void {
  if (isDirect(ownId(externalId), name)) throw notHere();
}

interface Person {
  readonly id: string;
  readonly name?: string;
}
