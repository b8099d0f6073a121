/** @file What bot and worker say to each other: ids of records, never bytes. The records hold the rest. */

export interface JobPayloads {
  /** Fine-tune an adapter: the run's record has subject, settings and photos. */
  readonly train: { readonly runId: string };
  /** Draw the pictures of a set: the set's record has prompt, seed, settings and adapter. */
  readonly imagine: { readonly setId: string };
}

export type JobKind = keyof JobPayloads;

/** Each kind has its own queue and workers: pictures never wait behind a training. */
export const JOB_KINDS = ['imagine', 'train'] as const satisfies readonly JobKind[];
