/** @file Records as commands write them; what a test does not care about is filled in. */
import { randomUUID } from 'node:crypto';
import type { Subject } from '../../core/records.ts';
import { DEFAULT_SETTINGS } from '../../core/settings/defaults.ts';
import type { RecordStore } from '../../storage/records.ts';

type NewSubject = Parameters<RecordStore['addSubject']>[0];
type NewRun = Parameters<RecordStore['addRun']>[0];
type NewSet = Parameters<RecordStore['addSet']>[0];

export function newSubject(
  given: Pick<NewSubject, 'channelId' | 'ownerId'> & Partial<NewSubject>,
): NewSubject {
  return { id: randomUUID(), name: 'mochi', className: 'cat', token: 'zqkv', ...given };
}

/** A run of the subject in its channel, by its owner, in the queue. */
export function newRun(
  { id: subjectId, channelId, ownerId: memberId }: Pick<Subject, 'id' | 'channelId' | 'ownerId'>,
  change: Partial<NewRun> = {},
): NewRun {
  return {
    id: randomUUID(),
    channelId,
    subjectId,
    memberId,
    state: 'queued',
    settings: DEFAULT_SETTINGS,
    seed: 1,
    photoHashes: [],
    ...change,
  };
}

/** A set of one picture by the model alone, in the queue. */
export function newSet(given: Pick<NewSet, 'channelId' | 'memberId'> & Partial<NewSet>): NewSet {
  return {
    id: randomUUID(),
    kind: 'imagine',
    runId: null,
    subjectId: null,
    prompt: 'a fox',
    negative: null,
    seed: 1,
    count: 1,
    strength: 1,
    settings: DEFAULT_SETTINGS,
    adapterId: null,
    state: 'queued',
    ...given,
  };
}
