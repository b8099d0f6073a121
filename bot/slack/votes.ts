/** @file Reactions on Slack's messages: the numbers that invite members to vote, and members' votes. */
import type { Channel } from '../../core/records.ts';
import type { Log } from '../../core/log.ts';
import { foldEmoji, invitingEmoji, shownEmoji } from '../../core/votes/emoji.ts';
import type { StandingReaction } from '../gateway.ts';
import { Invitations } from '../invitations.ts';
import { GONE, messageError, reasonOf, SHUT } from './failures.ts';
import { ownId } from '../../core/own-id.ts';
import { type Members, party } from './members.ts';
import type { SlackApi } from './web-api.ts';

/** Slack's names of the emoji of numbers, in the order of `invitingEmoji`. */
const NUMBERS = ['one', 'two', 'three', 'four'];
/** Slack's answers where a reaction exists already, or none can be added. */
const TAKES_NONE = [
  'already_reacted',
  'too_many_emoji',
  'too_many_reactions',
  'thread_locked',
  ...GONE,
  ...SHUT,
];

export class Votes {
  readonly invitations: Invitations;
  readonly #api: SlackApi;
  readonly #members: Members;

  constructor(api: SlackApi, members: Members, log: Log) {
    this.#api = api;
    this.#members = members;
    this.invitations = new Invitations((...where) => this.#addNumber(...where), log);
  }

  /** Members' reactions on a message. @throws KronaError MESSAGE_GONE, CHANNEL_GONE */
  async standing({ externalId }: Channel, messageId: string, botUser: string): Promise<StandingReaction[]> {
    const channel = ownId(externalId);
    const answer = await this.#api
      .call('reactions.get', (client) => client.reactions.get({ channel, timestamp: messageId, full: true }))
      .catch((error: unknown) => {
        throw messageError(error);
      });
    const standing: StandingReaction[] = [];
    for (const { name = '', users = [] } of answer.message?.reactions ?? [])
      for (const user of users) {
        if (user === botUser) {
          this.invitations.note(channel, messageId, shownEmoji(foldEmoji(name)));
          continue;
        }
        const person = await this.#members.person(user);
        if (!person.bot) standing.push({ member: party(person), emoji: name });
      }
    return standing;
  }

  async #addNumber(channel: string, timestamp: string, emoji: string): Promise<void> {
    const name = NUMBERS[invitingEmoji(NUMBERS.length).indexOf(emoji)];
    if (name === undefined) return;
    await this.#api
      .call('reactions.add', (client) => client.reactions.add({ channel, timestamp, name }))
      .catch((error: unknown) => {
        if (!TAKES_NONE.includes(reasonOf(error) ?? '')) throw error;
      });
  }
}
