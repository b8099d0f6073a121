/** @file The jobs that the bot gives to the worker: ids of records, never bytes. The records hold the rest. */

export interface JobPayloads {
  /** Trains an adapter: the run's record has subject, settings and photos. */
  readonly train: { readonly runId: string };
  /** Trains the grid of a sweep, while nothing else is trained: the run's record has it. */
  readonly sweep: { readonly runId: string };
  /** Draws the pictures of a set: the set's record has prompt, seed, settings and adapter. */
  readonly imagine: { readonly setId: string };
  /** Downloads a model that a pull's record asks for; deletes the files of one that was removed. */
  readonly pull: { readonly model: string };
}

/**
 * The version of the payloads and of what they mean; grows with every change that an older worker would get wrong. A
 * worker leaves jobs of a later version to newer workers.
 */
export const JOB_VERSION = 1;

/** Each kind has its own queue and workers: pictures never wait behind a training. */
export type JobKind = keyof JobPayloads;

/** Whose turn a job takes: turns go round by channel, and within a channel by member. */
export interface JobOwner {
  readonly channelId: string;
  readonly memberId: string;
}
