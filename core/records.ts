/** @file The types of Krona's records. Ids are UUIDs; times are Date. storage/records.ts reads and writes them. */
import type { JobKind, JobOwner, JobPayloads } from './job-payloads.ts';
import type { PromptStyle } from './prompts/styles.ts';
import type { ChannelSettings } from './settings/schema.ts';
import type { SweepCell } from './sweep-plan.ts';

export type Platform = 'web' | 'discord' | 'slack';

export interface Channel {
  readonly id: string;
  readonly platform: Platform;
  /** The platform's own id. */
  readonly externalId: string;
  /** The platform's id of the server or workspace, as last reported; null where it is unknown. */
  readonly serverId: string | null;
  readonly name: string;
  /** The model that it draws and trains with, by name; DEFAULT_MODEL: KRONA_MODEL's own. */
  readonly model: string;
  /** For that model. */
  readonly settings: ChannelSettings;
  /** The platform admits only adults, as last reported. */
  readonly ageRestricted: boolean;
}

/** A workspace in which the app was installed by OAuth. */
export interface Installation {
  readonly platform: Platform;
  /** The platform's id of the workspace. */
  readonly serverId: string;
  readonly name: string;
  /** The bot's token, as core/sealed.ts seals it. */
  readonly sealedToken: string;
  readonly installedAt: Date;
}

export interface Member {
  readonly id: string;
  readonly platform: Platform;
  readonly externalId: string;
  readonly name: string;
  /** When they had their votes deleted. Reactions on older pictures may still stand at the platform; they don't count. */
  readonly erasedAt: Date | null;
}

/** What a channel trains: a pet, a mascot, a product. */
export interface Subject {
  readonly id: string;
  readonly channelId: string;
  /** Unique in the channel, ignoring case. */
  readonly name: string;
  /** The class word, such as `cat`; used in the training prompt. */
  readonly className: string;
  /** The rare token that replaces the name in prompts; members never need to know it. */
  readonly token: string;
  readonly ownerId: string;
  /** The adapter for prompts that name this subject. */
  readonly championId: string | null;
  /** A member chose the champion, so votes don't change it. */
  readonly championPinned: boolean;
  readonly createdAt: Date;
}

export interface Photo {
  readonly id: string;
  readonly subjectId: string;
  readonly memberId: string;
  readonly blobHash: string;
  /** Bytes; 0 where an earlier release stored it. */
  readonly size: number;
  readonly width: number;
  readonly height: number;
  readonly fileName: string;
  /** A member's description of what else it shows, such as `asleep on a red sofa`; null: none. */
  readonly caption: string | null;
  readonly createdAt: Date;
}

/** A named piece of a channel's prompts. */
export interface Style extends PromptStyle {
  readonly channelId: string;
  /** Unique in the channel, ignoring case. */
  readonly name: string;
  /** Who saved it. */
  readonly memberId: string;
}

export type WorkState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled';

export interface Progress {
  readonly step: number;
  readonly steps: number;
  /** Seconds left; null before there is an estimate. */
  readonly secondsLeft: number | null;
  /** The current phase, for people: `caching latents`, `training`, `drawing samples`. */
  readonly phase: string;
  /** Missing while the worker that began goes on. */
  readonly resumed?: Resumed;
}

/** How a training goes on after its worker stopped. */
export interface Resumed {
  /** The step from which it goes on; 0: from the start. */
  readonly step: number;
  /** On another machine, or with another data folder: it had nothing of the training. */
  readonly elsewhere: boolean;
}

export interface WorkFailure {
  readonly code: string;
  readonly message: string;
}

/** What a training goes on from, besides the photos. */
export interface Refinement {
  /** The champion when it was requested. */
  readonly from: string;
  /** How many pairs by how many members: when it was requested, and once it has started those that it trains on. */
  readonly votes: { readonly pairs: number; readonly members: number };
  /** Hash of the blob with the votes that it trains on, for workers that share no folder. Missing: there is none. */
  readonly votesHash?: string;
  /** Why no duel judges its result, for people; null: one does or will. */
  readonly kept: string | null;
}

/** Blobs of a cell that is trained on workers that share no folder: by their hashes. */
export interface CellFiles {
  readonly adapter: string | null;
  /** What the next training of the cell goes on from. */
  readonly state: string | null;
}

/** A cell of a sweep's grid. */
export interface SweptCell extends SweepCell {
  /** Of the last step that it was trained to; null before the first. */
  readonly score: CheckpointScore | null;
  /** A member cancelled it. */
  readonly dropped: boolean;
  /** While the sweep is under way. */
  readonly files?: CellFiles;
}

/** A grid of factors and learning rates that is trained by halves (core/sweep-plan.ts); members choose between the best. */
export interface Sweep {
  /** In the order of the sheet. */
  readonly cells: readonly SweptCell[];
  /** Ids of the adapters that members choose from, the best by score first; [] before the end. */
  readonly finalists: readonly string[];
  /** Why no duel judges them, for people; null: one does or will. */
  readonly kept: string | null;
}

/** How far a refinement orders pairs as members did. */
export interface PairFigures {
  /** How much more than the champion it prefers the winners; above 0: more. */
  readonly margin: number;
  /** Share of pairs that it orders as members did. */
  readonly accuracy: number;
}

/** One training. */
export interface Run {
  readonly id: string;
  readonly channelId: string;
  readonly subjectId: string;
  readonly memberId: string;
  readonly state: WorkState;
  /** That it trains an adapter of, by name. */
  readonly model: string;
  readonly settings: ChannelSettings;
  readonly seed: number;
  /** The subject's photos when the run was requested. */
  readonly photoHashes: readonly string[];
  /** The prompt of each photo; null, or an empty list: the training prompt. */
  readonly photoPrompts: readonly (string | null)[];
  readonly progress: Progress | null;
  /** Mean loss of each reported interval, in order: the loss curve. */
  readonly losses: readonly { readonly step: number; readonly loss: number }[];
  /** Of its checkpoints in order; empty for a run that keeps the last. */
  readonly scores: readonly CheckpointScore[];
  /** null: a training from photos alone. */
  readonly refinement: Refinement | null;
  /** The grid of a sweep, whose settings are those that all cells share; null: one adapter is trained. */
  readonly sweep: Sweep | null;
  /** A refinement's curves: of pairs that it trains on, and of pairs held out; null without such pairs. */
  readonly preference: readonly (PairFigures & {
    readonly step: number;
    readonly heldOut: PairFigures | null;
  })[];
  readonly failure: WorkFailure | null;
  /** Grows with every change; a message is out of date when its post's revision is lower. */
  readonly revision: number;
  readonly createdAt: Date;
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
}

/** How good a checkpoint's pictures are (gpu-worker/training/score-networks.ts). */
export interface CheckpointScore {
  readonly step: number;
  /** Likeness to the photos, 0 to 1. */
  readonly fidelity: number;
  /** How well pictures follow their prompts, 0 to 1. */
  readonly alignment: number;
  /** Harmonic mean of both. */
  readonly score: number;
}

/** A trained file: a checkpoint of a run, or its final result. */
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
  /** The model that it belongs to, its run's; it can't draw with another. */
  readonly model: string;
  readonly settings: ChannelSettings;
  readonly createdAt: Date;
}

/** How long a prompt is to a model, which reads it in chunks. */
export interface PromptLength {
  /** Without start and end tokens and padding. */
  readonly tokens: number;
  readonly chunks: number;
}

/** The picture that a set begins with instead of noise. */
export interface SetStart {
  /** Who sent it; sets that others draw from it have it too. Missing where an earlier release stored it: the set's member. */
  readonly memberId?: string;
  /** null after the member who sent it had their photos deleted. */
  readonly blobHash: string | null;
  /** A picture of the same size, white where it is drawn anew; null: everywhere. */
  readonly maskHash: string | null;
  /** Bytes of both. */
  readonly size: number;
  /** How much of it can change, in (0, 1]: the share of the steps that are run on it. */
  readonly change: number;
}

/** Pictures that votes say to draw more like, and less like: ids, in the order of their votes. Some may be deleted since. */
export interface SetSteering {
  readonly liked: readonly string[];
  readonly disliked: readonly string[];
}

/** Pictures of one prompt, voted on together. */
export interface PictureSet {
  readonly id: string;
  readonly channelId: string;
  readonly memberId: string;
  /**
   * `imagine`: requested by a member; `upscale`: requested too, one picture enlarged; `samples`: a run's
   * pictures at a checkpoint; `finals`: the pictures of a run's result; `duel`: a pair of a duel, one picture of each
   * adapter.
   */
  readonly kind: 'imagine' | 'upscale' | 'samples' | 'finals' | 'duel';
  /** The run whose samples these are. */
  readonly runId: string | null;
  readonly subjectId: string | null;
  /** As the member typed it. */
  readonly prompt: string;
  readonly negative: string | null;
  readonly seed: number;
  readonly count: number;
  /** Strength of the adapter; 1: as trained. */
  readonly strength: number;
  /** That draws it, by name. */
  readonly model: string;
  readonly settings: ChannelSettings;
  readonly adapterId: string | null;
  /** Adapters of further subjects in the prompt; their changes add up. */
  readonly alsoAdapterIds: readonly string[];
  /** The picture that this set varies: its noise is mixed with some of each new seed's. null: new pictures. */
  readonly variationOf: string | null;
  /** The picture that an `upscale` set enlarges; null after that was deleted. */
  readonly upscaleOf: string | null;
  /** The picture to begin with; null: noise. */
  readonly start: SetStart | null;
  /** The pictures that steer it; null: none do. */
  readonly steering: SetSteering | null;
  /** The run that trains the set's subject, which must end before the set is queued; null: it waits for none. */
  readonly awaitsRunId: string | null;
  /** The duel whose pair this is; null for all other sets. */
  readonly duelId: string | null;
  /** From 0, the pair of the duel. */
  readonly duelPlace: number | null;
  /** null until it is drawn. */
  readonly promptLength: PromptLength | null;
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
  /** From 0, the order in the grid, without pictures that are held back. */
  readonly index: number;
  readonly blobHash: string;
  /** Bytes; 0 where an earlier release stored it. */
  readonly size: number;
  readonly width: number;
  readonly height: number;
  readonly seed: number;
  /** Its own prompt, as the member typed it, where the set's has alternatives; null: the set's. */
  readonly prompt: string | null;
  readonly adapterId: string | null;
  /** Probability, 0 to 1, that the picture is an adult (NSFW) image, by the safety check; null: not checked. */
  readonly unsafe: number | null;
  /** Hidden until a member asks to see it. */
  readonly sensitive: boolean;
}

/** A picture that the channel's rules hold back: it is stored nowhere. */
export interface HeldPicture {
  readonly setId: string;
  /** From 0, among all pictures that the set requested. */
  readonly place: number;
  /** As in Picture. */
  readonly unsafe: number;
}

/** What a picture that is being drawn looks like so far. It is no picture: nothing counts it, and it goes with the set's end. */
export interface SetPreview {
  /** From 0, among all pictures that the set requested. */
  readonly place: number;
  /** WebP. */
  readonly image: Uint8Array;
}

/** Sets that were voted on: those of a subject (null: without a subject), or those of some pictures. */
export type VotedSets = { readonly subjectId: string | null } | { readonly pictureIds: readonly string[] };

/** Which pictures of a channel to look for. */
export interface GallerySearch {
  readonly channelId: string;
  /** Letters and digits; each begins a word of the prompt. [] for any prompt. */
  readonly words: readonly string[];
  /** null: any. */
  readonly subjectId: string | null;
  /** Who asked for it; null: anybody. */
  readonly memberId: string | null;
  /** Least number of members who voted for it. */
  readonly likes: number;
}

/** A picture in a channel's gallery. */
export interface GalleryPicture extends Pick<Picture, 'id' | 'setId' | 'blobHash' | 'width' | 'height'> {
  /** The order of the gallery: the newest picture has the highest. */
  readonly place: number;
  /** As the member typed it. */
  readonly prompt: string;
  readonly memberId: string;
  /** Members who voted for it, without the one who asked for it. */
  readonly likes: number;
}

/** A fact: a member added a reaction to a picture or removed it. Facts never change. */
export interface VoteFact {
  readonly id: string;
  readonly pictureId: string;
  readonly memberId: string;
  readonly emoji: string;
  readonly added: boolean;
  readonly at: Date;
}

/** A reaction that stands: the last fact of (picture, member, emoji) was an addition. */
export interface StandingVote {
  readonly pictureId: string;
  readonly memberId: string;
  readonly emoji: string;
  readonly at: Date;
}

/** How a subject got a champion. */
export interface ChampionChange {
  readonly id: string;
  readonly subjectId: string;
  /** null after it was deleted. */
  readonly adapterId: string | null;
  /**
   * `training`: the subject's first adapter, or the first with another model; `rollback`: back to the one before; `duel`:
   * a refinement won against the champion, or a sweep's finalist against the other.
   */
  readonly cause: 'training' | 'votes' | 'member' | 'rollback' | 'duel';
  /** The member who chose it; null: votes or a training did. */
  readonly memberId: string | null;
  /** Why votes chose it, or a training in place of another, for people. */
  readonly reason: string | null;
  /** The picture with the winning votes. */
  readonly pictureId: string | null;
  readonly at: Date;
}

/** What members preferred in a pair of a duel; once closed, it never changes. */
export interface Trial {
  /** From 0, the pair. */
  readonly place: number;
  /** null: void, because there was no majority, or no pair to vote on. */
  readonly winner: 'first' | 'second' | null;
  /** Members for the picture of each adapter. */
  readonly votes: { readonly first: number; readonly second: number };
}

/** A blind comparison of two adapters of a subject, pair by pair. */
export interface Duel {
  readonly id: string;
  readonly channelId: string;
  readonly subjectId: string;
  readonly memberId: string;
  /** null after it was deleted; so is the second. */
  readonly firstId: string | null;
  readonly secondId: string | null;
  /**
   * The refinement whose result the first adapter is: it becomes the champion if it wins. Or the sweep whose finalists both
   * are: the winner becomes the champion. null: nothing depends on it.
   */
  readonly runId: string | null;
  /** The prompt of each pair, at most so many pairs. */
  readonly prompts: readonly string[];
  /** Of each pair: the second adapter's picture comes first. Nobody is told before the end. */
  readonly swapped: readonly boolean[];
  readonly seed: number;
  readonly settings: ChannelSettings;
  /** Pairs requested so far. */
  readonly posted: number;
  /** Of closed pairs, in order of closing. */
  readonly trials: readonly Trial[];
  /** `undecided`: all pairs or the time were used up; `stopped`: it could not go on. */
  readonly state: 'open' | 'decided' | 'undecided' | 'cancelled' | 'stopped';
  /** Why it stopped, for people. */
  readonly reason: string | null;
  readonly revision: number;
  readonly createdAt: Date;
  /** It ends then, decided or not. */
  readonly endsAt: Date;
  readonly endedAt: Date | null;
}

/** A download of a model for all, which a moderator asked for. */
export interface Pull {
  readonly id: string;
  /** Where its message is. */
  readonly channelId: string;
  readonly memberId: string;
  /** Its name in the catalogue. */
  readonly model: string;
  readonly state: WorkState;
  /** Steps are MiB. */
  readonly progress: Progress | null;
  readonly failure: WorkFailure | null;
  readonly revision: number;
  readonly createdAt: Date;
  readonly endedAt: Date | null;
}

/** A licence of models that a moderator accepted, once for this installation. */
export interface AcceptedLicence {
  /** Its name in the catalogue. */
  readonly licence: string;
  readonly memberId: string;
  readonly acceptedAt: Date;
}

/** An entry of a channel's log. Entries never change. */
export interface AuditEntry {
  readonly id: string;
  readonly channelId: string;
  /** null: votes. */
  readonly memberId: string | null;
  /** One word: `train`, `imagine`, `duel`, `settings`, `rules`, `delete`, `champion`, `photos`, `channel`, `queue`, `model`. */
  readonly action: string;
  /** Details for people, with members' texts as they typed them. */
  readonly details: string;
  /** The requested run or set. */
  readonly targetId: string | null;
  /** Number of requested pictures or trainings; 0 for actions without a quota. */
  readonly amount: number;
  readonly at: Date;
}

/** Something that counts against a quota. */
export interface Usage {
  readonly memberId: string | null;
  readonly amount: number;
  /** By the database's clock. */
  readonly secondsAgo: number;
}

/** Queued or running work that counts against a quota. */
export interface OpenUsage {
  readonly memberId: string;
  /** As in Progress; null before there is an estimate. */
  readonly secondsLeft: number | null;
}

/** Which of `votes` were given in duels, and for what. */
export interface DuelVote {
  /** The fact's. */
  readonly id: string;
  readonly duelId: string;
  /** From 0, the pair. */
  readonly place: number;
  /** That drew the picture; null while the duel is open, and after it was deleted. */
  readonly adapterId: string | null;
}

/** Everything kept about a member. */
export interface MemberData {
  readonly subjects: readonly Subject[];
  readonly photos: readonly Photo[];
  readonly runs: readonly Run[];
  /** Without the pairs of open duels. */
  readonly sets: readonly PictureSet[];
  readonly styles: readonly Style[];
  /** What they asked for; not the order of the pairs and the result so far, which nobody is told. */
  readonly duels: readonly Pick<
    Duel,
    | 'id'
    | 'channelId'
    | 'subjectId'
    | 'firstId'
    | 'secondId'
    | 'prompts'
    | 'state'
    | 'reason'
    | 'createdAt'
    | 'endedAt'
  >[];
  readonly votes: readonly VoteFact[];
  readonly duelVotes: readonly DuelVote[];
  readonly pulls: readonly Pull[];
  readonly licences: readonly AcceptedLicence[];
  readonly entries: readonly AuditEntry[];
}

/** A list of best pictures that was shown in a channel. */
export interface Ranking {
  readonly id: string;
  readonly channelId: string;
  /** In no order, without deleted ones. */
  readonly pictureIds: readonly string[];
  /** Grows when a picture, or a member's votes on one, are deleted; new votes don't change it. */
  readonly revision: number;
}

/** `duel`: its first message; `verdict`: its result. */
export type PostKind = 'run' | 'set' | 'champion' | 'ranking' | 'duel' | 'verdict' | 'pull';

/** Krona's message in a channel about a run, a set, a new champion, a ranking, a duel or a pull; it follows changes. */
export interface Post {
  readonly id: string;
  readonly channelId: string;
  readonly kind: PostKind;
  readonly targetId: string;
  /** The platform's id of the message; null until it is posted. */
  readonly messageId: string | null;
  /** Messages that this one replaced, oldest first: reactions on them still count. */
  readonly formerMessageIds: readonly string[];
  /** Who deleted the target, for messages that cannot be deleted; null while the target exists. */
  readonly gone: string | null;
  /** The target's revision that the message shows; -1 before the first. */
  readonly shownRevision: number;
  readonly createdAt: Date;
}

/** A line of a conversation in the web chat: a member's message, or Krona's answer. */
export interface ChatLine {
  readonly id: string;
  readonly channelId: string;
  /** null: Krona. */
  readonly memberId: string | null;
  /** The card or text as JSON; null after the line was removed. */
  readonly body: unknown;
  readonly revision: number;
  /** Grows with every line that is added: the order of a conversation, whatever the clock says. */
  readonly place: number;
  readonly createdAt: Date;
}

export interface OutboxJob<K extends JobKind = JobKind> {
  readonly id: string;
  readonly kind: K;
  readonly payload: JobPayloads[K];
}

/** A job with whose turn it takes: the member of its run or set, null if that was deleted. */
export interface OwnedJob extends OutboxJob {
  readonly owner: JobOwner | null;
}
