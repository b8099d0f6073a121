/**
 * @file The member's votes: shown at once, sent one after the other so that quick clicks arrive in their order, and sent
 * again after a lost connection, so that none is lost.
 */
import type { LineView, MemberView, PictureVotes } from '../protocol.ts';
import { answerOf, api, ApiError, inChannel, messageOf } from './api.ts';
import type { Votes } from './state.ts';

export interface VoteChange {
  readonly channelId: string;
  readonly setId: string;
  readonly pictureId: string;
  readonly emoji: string;
  readonly added: boolean;
}

export interface VotingEvents {
  me(): MemberView | null;
  onVotes(votes: Votes): void;
  onProblem(message: string): void;
}

export class Voting {
  readonly #events: VotingEvents;
  /** The bot's state of the reactions, and what this page has changed since. */
  #votes: Votes = {};
  readonly #changes = new Map<string, VoteChange>();
  #sending: Promise<void> = Promise.resolve();

  constructor(events: VotingEvents) {
    this.#events = events;
  }

  vote(change: VoteChange): void {
    this.#changes.set(keyOf(change), change);
    this.#tell();
    this.#queue(change);
  }

  /** Sends again what may have been lost with the connection. */
  resend(): void {
    for (const change of this.#changes.values()) this.#queue(change);
  }

  /** Another channel is shown. */
  forget(): void {
    this.#votes = {};
  }

  /** The reactions that came with lines. */
  takeLines(lines: readonly LineView[]): void {
    const found = lines.flatMap(({ body, votes = [] }) =>
      body.kind === 'card' && body.card.votesOn !== undefined ? [[body.card.votesOn, votes] as const] : [],
    );
    this.#votes = { ...this.#votes, ...Object.fromEntries(found) };
    this.#tell();
  }

  take(setId: string, votes: readonly PictureVotes[]): void {
    this.#votes = { ...this.#votes, [setId]: votes };
    this.#tell();
  }

  #queue(change: VoteChange): void {
    this.#sending = this.#sending.then(() => this.#send(change));
  }

  async #send(change: VoteChange): Promise<void> {
    const { channelId, setId, ...json } = change;
    try {
      const request = api.channels[':channel'].votes.$put({ ...inChannel(channelId), json });
      const { votes } = await answerOf(request);
      this.#votes = { ...this.#votes, [setId]: votes };
    } catch (error) {
      if (error instanceof ApiError && (error.code === 'OFFLINE' || error.code.startsWith('HTTP_5'))) return;
      this.#events.onProblem(messageOf(error));
    }
    // A newer click on the same reaction stands until its own answer has come.
    if (this.#changes.get(keyOf(change)) === change) this.#changes.delete(keyOf(change));
    this.#tell();
  }

  /** Reports the reactions with this page's changes. */
  #tell(): void {
    const me = this.#events.me();
    let votes = this.#votes;
    if (me !== null)
      for (const change of this.#changes.values())
        votes = { ...votes, [change.setId]: changed(votes[change.setId] ?? [], change, me) };
    this.#events.onVotes(votes);
  }
}

const keyOf = ({ pictureId, emoji }: VoteChange): string => `${pictureId} ${emoji}`;

function changed(
  standing: readonly PictureVotes[],
  { pictureId, emoji, added }: VoteChange,
  me: MemberView,
): PictureVotes[] {
  const chip = standing.find((vote) => vote.pictureId === pictureId && vote.emoji === emoji);
  const others = (chip?.members ?? []).filter((member) => member.id !== me.id);
  const members = added ? [...others, me] : others;
  const rest = standing.filter((vote) => vote !== chip);
  return members.length === 0 ? rest : [...rest, { pictureId, emoji, members }];
}
