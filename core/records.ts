/** @file What Krona remembers: the types of its records. Ids are UUIDs; times are Date. Stores: storage/records.ts. */
import type { JobKind, JobPayloads } from './job-payloads.ts';
import type { ChannelSettings } from './settings/schema.ts';

export type Platform = 'web' | 'discord' | 'slack';

export interface Channel {
  readonly id: string;
  readonly platform: Platform;
  /** The platform's own id of it. */
  readonly externalId: string;
  readonly name: string;
  readonly settings: ChannelSettings;
  /** The platform lets adults alone in, when the channel was last heard of. */
  readonly ageRestricted: boolean;
}

export interface Member {
  readonly id: string;
  readonly platform: Platform;
  readonly externalId: string;
  readonly name: string;
  /** When he had his votes deleted: reactions on older pictures, which may stand at the platform, say nothing since. */
  readonly erasedAt: Date | null;
}

/** Something of the channel's own: a pet, a mascot, a product. */
export interface Subject {
  readonly id: string;
  readonly channelId: string;
  /** As members say it, unique in the channel without regard to case. */
  readonly name: string;
  /** The class noun, e.g. `cat`; used in the training prompt. */
  readonly className: string;
  /** The rare token that stands for it in prompts; members never need to know it. */
  readonly token: string;
  readonly ownerId: string;
  /** The adapter that prompts naming this subject use. */
  readonly championId: string | null;
  /** True when somebody chose the champion by hand: votes do not change it. */
  readonly championPinned: boolean;
  readonly createdAt: Date;
}

export interface Photo {
  readonly id: string;
  readonly subjectId: string;
  readonly memberId: string;
  readonly blobHash: string;
  readonly width: number;
  readonly height: number;
  readonly fileName: string;
  /** What it shows beside the subject, as a member says it: `asleep on a red sofa`; null: nothing is said. */
  readonly caption: string | null;
  readonly createdAt: Date;
}

export type WorkState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled';

export interface Progress {
  readonly step: number;
  readonly steps: number;
  /** Seconds left, null before it can be told. */
  readonly secondsLeft: number | null;
  /** What is going on now, for people: `caching latents`, `training`, `drawing samples`. */
  readonly phase: string;
}

export interface WorkFailure {
  readonly code: string;
  readonly message: string;
}

/** One training. */
export interface Run {
  readonly id: string;
  readonly channelId: string;
  readonly subjectId: string;
  readonly memberId: string;
  readonly state: WorkState;
  readonly settings: ChannelSettings;
  readonly seed: number;
  /** The photos as they were when the run was asked for. */
  readonly photoHashes: readonly string[];
  /** By photo, what the model is told that it shows; null, or none at all: the training prompt. */
  readonly photoPrompts: readonly (string | null)[];
  readonly progress: Progress | null;
  /** Mean loss of each reported stretch, in order: what the loss curve shows. */
  readonly losses: readonly { readonly step: number; readonly loss: number }[];
  readonly failure: WorkFailure | null;
  /** Grows with every change; what a message shows is behind when its post's revision is lower. */
  readonly revision: number;
  readonly createdAt: Date;
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
}

/** A trained file: a run's checkpoint or its end. */
export interface Adapter {
  readonly id: string;
  readonly runId: string;
  readonly subjectId: string;
  readonly channelId: string;
  readonly step: number;
  readonly final: boolean;
  readonly blobHash: string;
  /** Bytes. */
  readonly size: number;
  readonly settings: ChannelSettings;
  readonly createdAt: Date;
}

/** Pictures of one prompt, voted on together. */
export interface PictureSet {
  readonly id: string;
  readonly channelId: string;
  readonly memberId: string;
  /**
   * `imagine`: asked for by a member; `upscale`: likewise, one picture again at twice its size; `samples`: a run's
   * pictures at a checkpoint; `finals`: a run's result grid.
   */
  readonly kind: 'imagine' | 'upscale' | 'samples' | 'finals';
  /** The run whose samples these are. */
  readonly runId: string | null;
  readonly subjectId: string | null;
  /** As the member wrote it. */
  readonly prompt: string;
  readonly negative: string | null;
  readonly seed: number;
  readonly count: number;
  /** Strength of the adapter, 1 as trained. */
  readonly strength: number;
  readonly settings: ChannelSettings;
  readonly adapterId: string | null;
  /** Adapters of the further subjects that the prompt names; their changes add up. */
  readonly alsoAdapterIds: readonly string[];
  /** The picture that this set varies: drawn from its noise mixed with some of each new seed's. null: afresh. */
  readonly variationOf: string | null;
  /** The picture that an `upscale` set draws again; null when that was deleted. */
  readonly upscaleOf: string | null;
  readonly state: WorkState;
  readonly progress: Progress | null;
  readonly failure: WorkFailure | null;
  readonly revision: number;
  readonly createdAt: Date;
  readonly endedAt: Date | null;
}

export interface Picture {
  readonly id: string;
  readonly setId: string;
  /** From 0, the order in the grid; pictures that are held back have no place there. */
  readonly index: number;
  readonly blobHash: string;
  readonly width: number;
  readonly height: number;
  readonly seed: number;
  readonly adapterId: string | null;
  /** How sure the safety check is that the picture is for adults alone, 0 to 1; null: not checked. */
  readonly unsafe: number | null;
  /** Shown only to those who ask to see it. */
  readonly sensitive: boolean;
}

/** A picture that the channel's rules keep from everybody: it is stored nowhere. */
export interface HeldPicture {
  readonly setId: string;
  /** From 0, among all pictures that the set asked for. */
  readonly place: number;
  /** As Picture.unsafe. */
  readonly unsafe: number;
}

/** A fact: somebody put a reaction on a picture or took it away. Never changed, only added. */
export interface VoteFact {
  readonly id: string;
  readonly pictureId: string;
  readonly memberId: string;
  readonly emoji: string;
  readonly added: boolean;
  readonly at: Date;
}

/** A reaction that stands now: the last fact of (picture, member, emoji) was an addition. */
export interface StandingVote {
  readonly pictureId: string;
  readonly memberId: string;
  readonly emoji: string;
  readonly at: Date;
}

/** How a subject came by a champion. */
export interface ChampionChange {
  readonly id: string;
  readonly subjectId: string;
  /** null when it was deleted since. */
  readonly adapterId: string | null;
  /** `training`: the subject's first adapter; `rollback`: back to the one before. */
  readonly cause: 'training' | 'votes' | 'member' | 'rollback';
  /** Who chose it, null when nobody did by hand. */
  readonly memberId: string | null;
  /** Why votes chose it, in words. */
  readonly reason: string | null;
  /** The picture that won it the votes. */
  readonly pictureId: string | null;
  readonly at: Date;
}

/** What was done in a channel. Never changed, only added. */
export interface AuditEntry {
  readonly id: string;
  readonly channelId: string;
  /** null: nobody by hand. */
  readonly memberId: string | null;
  /** One word: `train`, `imagine`, `settings`, `rules`, `delete`, `champion`, `photos`. */
  readonly action: string;
  /** What of it, in words, with texts of members as they wrote them. */
  readonly details: string;
  /** The run or set that was asked for. */
  readonly targetId: string | null;
  /** Pictures or trainings asked for, 0 where nothing is counted. */
  readonly amount: number;
  readonly at: Date;
}

/** Something that counts against a quota. */
export interface Usage {
  readonly memberId: string | null;
  readonly amount: number;
  readonly at: Date;
}

/** Everything kept about a member. */
export interface MemberData {
  readonly subjects: readonly Subject[];
  readonly photos: readonly Photo[];
  readonly runs: readonly Run[];
  readonly sets: readonly PictureSet[];
  readonly votes: readonly VoteFact[];
  readonly entries: readonly AuditEntry[];
}

/** Pictures that a channel was shown as the best. */
export interface Ranking {
  readonly id: string;
  readonly channelId: string;
  /** Without those that were deleted since, in no order. */
  readonly pictureIds: readonly string[];
  /** Grows when a picture, or a member's votes on one, are deleted; votes as such do not change it. */
  readonly revision: number;
}

export type PostKind = 'run' | 'set' | 'champion' | 'ranking';

/** A message of ours in a channel that shows a run, a set, a new champion or a ranking, and follows its changes. */
export interface Post {
  readonly id: string;
  readonly channelId: string;
  readonly kind: PostKind;
  readonly targetId: string;
  /** The platform's id of the message, null until it is posted. */
  readonly messageId: string | null;
  /** Messages that this one took the place of, oldest first: reactions on them still count. */
  readonly formerMessageIds: readonly string[];
  /** How the target was deleted, in words, for a message that cannot be taken away; null while it is there. */
  readonly gone: string | null;
  /** The target's revision that the message shows, -1 before the first. */
  readonly shownRevision: number;
  readonly createdAt: Date;
}

/** Any line of a web channel's conversation: what members wrote and our answers, in order. */
export interface ChatLine {
  readonly id: string;
  readonly channelId: string;
  /** null: Krona itself. */
  readonly memberId: string | null;
  /** The rendered card or text as JSON, platform-neutral; null when the line was taken away. */
  readonly body: unknown;
  readonly revision: number;
  readonly createdAt: Date;
}

export interface OutboxJob<K extends JobKind = JobKind> {
  readonly id: string;
  readonly kind: K;
  readonly payload: JobPayloads[K];
}
