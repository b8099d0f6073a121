/**
 * @file The contract between the bot and a chat platform. Each platform has a folder that implements it, and no
 * platform word, token or vendor type stands here. Gateways translate; they decide nothing.
 */
import type { Card } from '../commands/card.ts';
import type { Attachment } from '../commands/contract.ts';
import type { Channel, Platform } from '../core/records.ts';

/** A channel or member by the platform's own id, as the event brought it. */
export interface Party {
  readonly externalId: string;
  readonly name: string;
}

/** A channel as an event brought it. */
export interface Place extends Party {
  /** The platform lets only adults in. As last reported where it does not say. */
  readonly ageRestricted?: boolean | undefined;
  /** The channel of a thread: its rules hold in the thread. */
  readonly parent?: Party | undefined;
  /** A conversation of one member with Krona. Default false. */
  readonly direct?: boolean | undefined;
  /** The platform's id of the server or workspace; that of all direct messages together in those. */
  readonly serverId?: string | undefined;
}

interface PlatformEvent {
  readonly channel: Place;
  readonly member: Party;
}

/** An event that a member waits on. The gateway has acknowledged it at its platform; it is answered at most once. */
export interface AnsweredEvent extends PlatformEvent {
  /** Can delete what belongs to other members, and sets the channel's rules. */
  readonly moderator: boolean;
  /** Manages the whole server or workspace. Default false. */
  readonly manager?: boolean;
  /** Ids of the member's roles (Discord) or user groups (Slack) there. Default none. */
  readonly roles?: readonly string[];
  /**
   * Shows the answer, each card to the caller alone when its audience says so. No cards: the delivery posts the message
   * that answers, or has changed the one with the button.
   */
  answer(cards: readonly Card[]): Promise<void>;
}

/** `/krona <command> [<action>] …` */
export interface InvocationEvent extends AnsweredEvent {
  readonly command: string;
  /** '' when the command has no actions. */
  readonly action: string;
  readonly options: Readonly<Record<string, string | number | boolean>>;
  readonly attachments: readonly Attachment[];
}

/** A press of one of our buttons. */
export interface ActionEvent extends AnsweredEvent {
  /** The button's `verb:recordId`. */
  readonly action: string;
}

/** A reaction added to a message of ours, or removed. */
export interface ReactionEvent extends PlatformEvent {
  /** Of a removal only the id counts; the name can be the id. */
  readonly member: Party;
  /** The picture, where each has reactions of its own; else the message, and the emoji says which picture (1️⃣ …). */
  readonly on: { readonly pictureId: string } | { readonly messageId: string };
  readonly emoji: string;
  readonly added: boolean;
  /** Of a removal: whether the member's same reaction still stands in another form. Asked where it is a vote. Default no. */
  stillStands?(): Promise<boolean>;
}

/** A message of which no more is known than where it stands. */
export interface MessagePlace {
  readonly channel: Place;
  readonly messageId: string;
}

/** A member is typing the value of an option. Answered with suggestions, at once. */
export interface CompletionEvent extends PlatformEvent {
  readonly command: string;
  /** '' when the command has no actions. */
  readonly action: string;
  readonly option: string;
  readonly typed: string;
  /** As in `AnsweredEvent`. Default false. */
  readonly moderator?: boolean;
}

/** What the bot does with events. The promises settle when the event is handled; they never reject. */
export interface GatewayHandlers {
  onInvocation(event: InvocationEvent): Promise<void>;
  onAction(event: ActionEvent): Promise<void>;
  /** At most 25 values, [] when nothing fits or something failed. */
  onCompletion(event: CompletionEvent): Promise<readonly string[]>;
  /** False when it could not be stored, so that the platform's own state must be read again later. */
  onReaction(event: ReactionEvent): Promise<boolean>;
  /**
   * Reactions may have changed without an event, as after a lost connection: the platform's state is read again.
   *
   * @param message - the only one on which they may have changed; it need not be ours
   */
  onMissed(message?: MessagePlace): Promise<void>;
}

/** The records or the queue can't be written, or can again. */
export interface Outage {
  readonly card: Card;
  readonly isOver: boolean;
}

/** A reaction on a message at the platform. */
export interface StandingReaction {
  readonly member: Party;
  readonly emoji: string;
}

export interface Gateway {
  readonly platform: Platform;
  /** Milliseconds between two edits of one message that was posted `age` milliseconds ago. */
  editInterval(age: number): number;
  /** Whether events of the platform arrive just now. */
  isConnected(): boolean;
  /** Connects, and passes events to `handlers` from then on. */
  start(handlers: GatewayHandlers): Promise<void>;
  /** Takes no further events, and waits for those being handled. */
  stop(): Promise<void>;
  /**
   * Posts a message and returns the platform's id of it. With a nonce that was posted before, also by a process that has
   * died since, posts nothing and returns the existing message's id.
   *
   * @param nonce - a UUID
   * @throws KronaError CHANNEL_GONE when the channel was deleted or the bot removed from it, POST_FORBIDDEN when it lacks
   * a permission there (named in the message, with how to grant it)
   */
  post(channel: Channel, card: Card, nonce: string): Promise<string>;
  /**
   * Makes a message show a card.
   *
   * @throws KronaError MESSAGE_GONE when the message or its channel was deleted at the platform, MESSAGE_STALE when the
   * platform takes no more edits of it, so that a new message must replace it; CHANNEL_GONE, POST_FORBIDDEN as for a new
   * one
   */
  edit(channel: Channel, messageId: string, card: Card): Promise<void>;
  /**
   * Deletes a message of ours. Succeeds also when somebody has deleted it at the platform, or its channel.
   *
   * @throws KronaError DELETE_FORBIDDEN where the platform does not let the bot: the message can be edited to say so;
   * CHANNEL_GONE when the bot was removed from the channel, POST_FORBIDDEN where it can't see it
   */
  remove(channel: Channel, messageId: string): Promise<void>;
  /**
   * Returns members' reactions on a message of ours; null where reactions reach the records without a platform in
   * between, so that none can be missed.
   *
   * @throws KronaError MESSAGE_GONE, CHANNEL_GONE, POST_FORBIDDEN
   */
  readReactions(channel: Channel, messageId: string): Promise<readonly StandingReaction[] | null>;
  /**
   * Adds the reactions that invite members to vote to a message of ours, where they are missing, as after a kill. `post`
   * and `edit` do it too. Runs in the background; failures are logged and tried again.
   */
  invite(channel: Channel, messageId: string, card: Card): void;
  /**
   * Tells members of an outage, without the records.
   *
   * @param places - channels in which members asked for something lately
   */
  tellOutage(outage: Outage, places: readonly Party[]): Promise<void>;
}
