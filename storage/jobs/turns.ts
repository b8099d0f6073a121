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

export interface Placement {
  readonly turn: number;
  readonly round: number;
  /** Jobs of the channel that take another round. */
  readonly moved: readonly { readonly id: string; readonly round: number }[];
}

/** Places a new job. @param jobs - all unfinished ones of its queue, the waiting ones in their order */
export function place(owner: JobOwner, jobs: readonly Placed[]): Placement {
  // Jobs with a better priority than any round are out of turn, and say nothing about how far the queue is.
  const inTurn = jobs.filter(({ round }) => round >= FIRST_ROUND);
  const ofChannel = inTurn.filter((job) => job.owner.channelId === owner.channelId);
  const added: Omit<Placed, 'id'> & { readonly id: null } = {
    id: null,
    owner,
    active: false,
    turn: nextNumber(
      ofChannel.map((job) => [job.owner.memberId, job.turn, job.active]),
      owner.memberId,
      1,
    ),
    round: Math.min(
      LAST_ROUND,
      nextNumber(
        inTurn.map((job) => [job.owner.channelId, job.round, job.active]),
        owner.channelId,
        FIRST_ROUND,
      ),
    ),
  };
  // Stable: of equal turns, those that came first stay first.
  const order = [...ofChannel.filter(({ active }) => !active), added].sort((a, b) => a.turn - b.turn);
  const rounds = order.map(({ round }) => round).sort((a, b) => a - b);
  let round = added.round;
  const moved: { id: string; round: number }[] = [];
  for (const [index, job] of order.entries()) {
    const its = at(rounds, index);
    if (job.id === null) round = its;
    else if (job.round !== its) moved.push({ id: job.id, round: its });
  }
  return { turn: added.turn, round, moved };
}

type Numbered = readonly [of: string, number: number, active: boolean];

/**
 * The number of the next job of `of`: after its last one, but not before the number that the queue has reached. That
 * is the highest of those at which somebody runs a job or waits for the next: whoever has had a turn in a round waits
 * in a later one, so the round is closed to newcomers.
 */
function nextNumber(jobs: readonly Numbered[], of: string, first: number): number {
  const heads = new Map<string, Numbered>();
  let next = first;
  for (const job of jobs) {
    if (job[0] === of) next = Math.max(next, job[1] + 1);
    const head = heads.get(job[0]);
    if (head === undefined || isAhead(job, head)) heads.set(job[0], job);
  }
  return Math.max(next, ...[...heads.values()].map(([, number]) => number));
}

/** Whether a job tells better than another of its owner how far they are: the last that runs, else the first that waits. */
function isAhead([, number, active]: Numbered, [, other, otherActive]: Numbered): boolean {
  if (active !== otherActive) return active;
  return active ? number > other : number < other;
}
