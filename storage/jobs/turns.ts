/**
 * @file The order of a queue: turns go round by channel, and within a channel by member, instead of first come, first
 * served. BullMQ's groups are not in its open version, so a turn is a job's priority: jobs of one round have the same,
 * and run in order of arrival.
 *
 * A member's jobs are numbered by turns (1, 2, 3 …), and a channel's by rounds. Both follow start-time fair queueing
 * (Goyal, Vin and Cheng 1996): a new job gets the number after its owner's last, or the number that the queue has
 * reached if the owner waits for nothing. So nobody saves up turns, and a job is only overtaken by a finite number of
 * others. A channel's rounds are dealt out again when a member joins it: their jobs move between the others'.
 */
import { at } from '../../core/at.ts';
import { groupBy } from '../../core/group.ts';
import type { JobOwner } from '../../core/job-payloads.ts';

/** The priority of the first round. BullMQ runs lower numbers first. */
export const FIRST_ROUND = 2;

/** BullMQ's highest priority. Jobs beyond it run in order of arrival, until the queue has been empty once. */
const LAST_ROUND = 2 ** 21 - 1;

/** An unfinished job, with its place in the order. */
export interface Placed {
  readonly id: string;
  readonly owner: JobOwner;
  readonly active: boolean;
  /** The member's turn in the channel, from 1. */
  readonly turn: number;
  /** The channel's round: BullMQ's priority. */
  readonly round: number;
}

/** What new jobs change in a queue. */
export interface Changes {
  /** The new ones, in order of arrival. */
  readonly added: readonly Placed[];
  /** Others of their channels that take another round. */
  readonly moved: readonly Placed[];
}

/** The order of a queue, in which new jobs are placed. Takes memory and time for the whole queue once. */
export class Order {
  /** Jobs in turn by channel, those of a channel in their order. */
  readonly #channels: Map<string, Placed[]>;
  /** How far each channel is. */
  readonly #reached = new Map<string, number>();
  /** The rounds that jobs had before. */
  readonly #rounds: ReadonlyMap<string, number>;
  readonly #added: string[] = [];

  /** @param jobs - all unfinished ones of the queue, the waiting ones in their order */
  constructor(jobs: readonly Placed[]) {
    // Jobs with a better priority than any round are out of turn, and say nothing about how far the queue is.
    const inTurn = jobs.filter(({ round }) => round >= FIRST_ROUND);
    this.#channels = groupBy(inTurn, ({ owner }) => owner.channelId);
    this.#rounds = new Map(inTurn.map(({ id, round }) => [id, round]));
    for (const channelId of this.#channels.keys()) this.#look(channelId);
  }

  /** Places a new job behind those that are there. */
  place(id: string, owner: JobOwner): void {
    const { channelId, memberId } = owner;
    const ofChannel = this.#of(channelId);
    const turn = nextNumber(
      ofChannel.map((job) => [job.owner.memberId, job.turn, job.active]),
      memberId,
    );
    const last = Math.max(FIRST_ROUND - 1, ...ofChannel.map(({ round }) => round));
    const next = Math.min(LAST_ROUND, Math.max(last + 1, ...this.#reached.values()));
    // Stable: of equal turns, those that came first stay first.
    const order = [
      ...ofChannel.filter(({ active }) => !active),
      { id, owner, active: false, turn, round: next },
    ].sort((one, other) => one.turn - other.turn);
    const rounds = order.map(({ round }) => round).sort((one, other) => one - other);
    const dealt = order.map((job, n) => ({ ...job, round: at(rounds, n) }));
    this.#channels.set(channelId, [...ofChannel.filter(({ active }) => active), ...dealt]);
    this.#look(channelId);
    this.#added.push(id);
  }

  /** All that `place` has changed. */
  changes(): Changes {
    const jobs = new Map([...this.#channels.values()].flat().map((job) => [job.id, job]));
    const added = this.#added.flatMap((id) => jobs.get(id) ?? []);
    const moved = [...jobs.values()].filter(({ id, round }) => (this.#rounds.get(id) ?? round) !== round);
    return { added, moved };
  }

  #of(channelId: string): Placed[] {
    return this.#channels.get(channelId) ?? [];
  }

  /** Notes how far a channel is. */
  #look(channelId: string): void {
    this.#reached.set(channelId, headOf(this.#of(channelId).map(({ round, active }) => [round, active])));
  }
}

type Numbered = readonly [of: string, number: number, active: boolean];

/**
 * The number of the next turn of `of`: after its last one, but not before the number that the others have reached. That
 * is the highest of those at which somebody runs a job or waits for the next: whoever has had a turn in a round waits
 * in a later one, so the round is closed to newcomers.
 */
function nextNumber(jobs: readonly Numbered[], of: string): number {
  const numbers = groupBy(jobs, ([whose]) => whose);
  const last = Math.max(0, ...(numbers.get(of) ?? []).map(([, number]) => number));
  const reached = [...numbers.values()].map((own) =>
    headOf(own.map(([, number, active]) => [number, active])),
  );
  return Math.max(last + 1, ...reached);
}

/** How far an owner is: at their last job that runs, else at the first that waits. */
function headOf(jobs: readonly (readonly [number: number, active: boolean])[]): number {
  const running = jobs.flatMap(([number, active]) => (active ? number : []));
  return running.length > 0 ? Math.max(...running) : Math.min(...jobs.map(([number]) => number));
}
