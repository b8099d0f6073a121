/**
 * @file What Krona remembers, by meaning. No SQL, connection or vendor type appears here.
 * Ids are UUIDs made by the caller's side of the store; times are Date; every write is durable when its promise resolves.
 */
import type { ChannelSettings, ModelCard } from '../settings.ts';
import type { JobKind, JobPayloads } from '../jobs/payloads.ts';
import type { ChannelRules } from '../rules.ts';

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

type New<T, Optional extends keyof T = never> = Omit<T, 'revision' | 'createdAt' | Optional> &
  Partial<Pick<T, Optional>>;

/** Reads and writes of one unit of work. Get it from `RecordStore` itself (each call alone) or from `transaction`. */
export interface Records {
  // Channels and members
  /** @param ageRestricted as the platform says now; left out, what it said last holds */
  channel(platform: Platform, externalId: string, name: string, ageRestricted?: boolean): Promise<Channel>;
  channelById(id: string): Promise<Channel | null>;
  /** Every channel of a platform, oldest first: the web chat's sidebar. */
  channels(platform: Platform): Promise<Channel[]>;
  saveSettings(channelId: string, settings: ChannelSettings): Promise<void>;
  /** As saved, else the defaults of the channel's platform. */
  rules(channelId: string): Promise<ChannelRules>;
  saveRules(channelId: string, rules: ChannelRules): Promise<void>;
  member(platform: Platform, externalId: string, name: string): Promise<Member>;
  members(ids: readonly string[]): Promise<Member[]>;
  /** A member by the platform's own id, if he was ever heard of. */
  memberByExternalId(platform: Platform, externalId: string): Promise<Member | null>;
  /** Members who have done anything in a channel, by name. */
  membersOf(channelId: string): Promise<Member[]>;
  memberData(memberId: string): Promise<MemberData>;
  /** Deletes a member's photos and votes everywhere, and pictures in what he wrote. */
  eraseMember(memberId: string): Promise<{ photos: number; votes: number }>;

  // What was done
  addAudit(
    entry: Pick<AuditEntry, 'channelId' | 'memberId' | 'action' | 'details'> &
      Partial<Pick<AuditEntry, 'targetId' | 'amount'>>,
  ): Promise<void>;
  /** Newest first. */
  audit(channelId: string, limit: number): Promise<AuditEntry[]>;
  /** What was asked for with an action since a time, oldest first, but for work that failed. */
  usage(channelId: string, action: string, since: Date): Promise<Usage[]>;

  // Subjects and photos
  addSubject(subject: Omit<Subject, 'createdAt' | 'championId' | 'championPinned'>): Promise<Subject>;
  subject(id: string): Promise<Subject | null>;
  subjectByName(channelId: string, name: string): Promise<Subject | null>;
  subjects(channelId: string): Promise<Subject[]>;
  /** Sets or takes away the champion and notes nothing; to choose one is `changeChampion`. */
  setChampion(subjectId: string, adapterId: string | null, pinned: boolean): Promise<void>;
  /** Makes an adapter the champion, and notes how that came. */
  changeChampion(
    change: Pick<ChampionChange, 'id' | 'subjectId' | 'cause'> & { readonly adapterId: string } & Partial<
        Pick<ChampionChange, 'memberId' | 'reason' | 'pictureId'>
      >,
    pinned: boolean,
  ): Promise<ChampionChange>;
  championChange(id: string): Promise<ChampionChange | null>;
  /** Oldest first. */
  championChanges(subjectId: string): Promise<ChampionChange[]>;
  /**
   * Deletes a subject with its photos, runs and adapters, and every set that was drawn of it. Their posts stay until
   * their messages are gone.
   *
   * @param how - in words, for messages that cannot be taken away: `By Ann.`
   */
  deleteSubject(id: string, how: string): Promise<void>;
  /** False when this subject already has a photo with the same bytes. */
  addPhoto(photo: New<Photo, 'caption'>): Promise<boolean>;
  photos(subjectId: string): Promise<Photo[]>;
  /** @throws KronaError PHOTO_NOT_FOUND */
  setCaption(photoId: string, caption: string | null): Promise<void>;
  removePhoto(id: string): Promise<void>;

  // Runs and adapters
  addRun(
    run: New<Run, 'photoPrompts' | 'progress' | 'losses' | 'failure' | 'startedAt' | 'endedAt'>,
  ): Promise<Run>;
  run(id: string): Promise<Run | null>;
  /** Newest first. */
  runs(channelId: string, limit: number): Promise<Run[]>;
  /** Runs and sets that are queued or running, oldest first. */
  openWork(channelId: string): Promise<{ runs: Run[]; sets: PictureSet[] }>;
  updateRun(
    id: string,
    change: Partial<Pick<Run, 'state' | 'progress' | 'losses' | 'failure' | 'startedAt' | 'endedAt'>>,
  ): Promise<void>;
  /** Does nothing when the run already has an adapter of this step (a resumed run writes its checkpoints again). */
  addAdapter(adapter: Omit<Adapter, 'createdAt'>): Promise<void>;
  adapter(id: string): Promise<Adapter | null>;
  /** Newest first. */
  adapters(channelId: string): Promise<Adapter[]>;
  /** Its run's message is then behind. */
  deleteAdapter(id: string): Promise<void>;

  // Sets, pictures and votes
  addSet(
    set: New<PictureSet, 'alsoAdapterIds' | 'variationOf' | 'upscaleOf' | 'progress' | 'failure' | 'endedAt'>,
  ): Promise<PictureSet>;
  set(id: string): Promise<PictureSet | null>;
  setsOfRun(runId: string): Promise<PictureSet[]>;
  updateSet(
    id: string,
    change: Partial<Pick<PictureSet, 'state' | 'progress' | 'failure' | 'endedAt'>>,
  ): Promise<void>;
  /** Does nothing when the set already has a picture at this index. */
  addPicture(picture: New<Picture, 'unsafe' | 'sensitive'>): Promise<void>;
  pictures(setId: string): Promise<Picture[]>;
  picture(id: string): Promise<Picture | null>;
  /** Notes that a picture is held back, once. */
  holdPicture(held: HeldPicture): Promise<void>;
  /** By place. */
  heldPictures(setId: string): Promise<HeldPicture[]>;
  /** Deletes a set; its posts stay until their messages are gone. @param how - as of `deleteSubject` */
  deleteSet(id: string, how: string): Promise<void>;
  /** Adds a fact unless it changes nothing (the reaction already stands, or is already gone). True when added. */
  addVote(vote: Omit<VoteFact, 'id' | 'at'>): Promise<boolean>;
  voteFacts(setId: string): Promise<VoteFact[]>;
  /** Standing votes of every set of the channel, with what the ranking needs of each picture's set. */
  standingVotes(
    channelId: string,
  ): Promise<{ votes: StandingVote[]; pictures: Picture[]; sets: PictureSet[] }>;
  /** Pictures that were deleted just now are left out. */
  addRanking(ranking: Omit<Ranking, 'revision'>): Promise<void>;
  ranking(id: string): Promise<Ranking | null>;

  // Messages and jobs
  addPost(post: Pick<Post, 'id' | 'channelId' | 'kind' | 'targetId'>): Promise<Post>;
  post(id: string): Promise<Post | null>;
  /** Posts of a platform whose target has changed or gone since they were last shown, oldest first. */
  stalePosts(platform: Platform, limit: number): Promise<Post[]>;
  /** The post of a message, also of one that another has taken the place of. */
  postByMessage(channelId: string, messageId: string): Promise<Post | null>;
  postOf(targetId: string): Promise<Post | null>;
  /** Messages that are posted, newest first: whose reactions are read again when the bot starts. */
  recentPosts(platform: Platform, limit: number): Promise<Post[]>;
  /** What a post's message shows now. Another message than before has taken that one's place. */
  markPost(id: string, messageId: string, shownRevision: number): Promise<void>;
  removePost(id: string): Promise<void>;
  /**
   * Notes a file that a platform keeps apart from the messages that show it.
   *
   * @param source - the hash of the blob that it shows, or the id of the run whose curve it is
   */
  addPlatformFile(platform: Platform, id: string, source: string): Promise<void>;
  /** A file that shows a source and is wanted, the newest. */
  platformFile(platform: Platform, source: string): Promise<string | null>;
  /** Files to delete at the platform: the last record of what they show was deleted. */
  unwantedPlatformFiles(platform: Platform, limit: number): Promise<string[]>;
  /**
   * Makes unwanted what a process leaves that dies: files that show neither a picture or adapter that is there nor the
   * curve of a run. Photos are shown to one member alone, and not for long.
   */
  dropStrayPlatformFiles(platform: Platform): Promise<void>;
  removePlatformFile(platform: Platform, id: string): Promise<void>;
  /** Adds a line once: with an id that is there already, nothing is changed and the standing line is returned. */
  addLine(line: Pick<ChatLine, 'id' | 'channelId' | 'memberId' | 'body'>): Promise<ChatLine>;
  updateLine(id: string, body: unknown): Promise<void>;
  /** Takes a line away. Its body is then null, for those who have the line to hear of it. */
  removeLine(id: string): Promise<void>;
  /**
   * The lines of a channel with revision > since, oldest first, at most `limit` of the newest. Since 0 without those
   * that were taken away.
   */
  lines(channelId: string, since: number, limit: number): Promise<ChatLine[]>;
  /** The job will be queued once this unit of work is committed, even if the process dies right after. */
  addOutboxJob(job: OutboxJob): Promise<void>;
  outboxJobs(limit: number): Promise<OutboxJob[]>;
  removeOutboxJob(id: string): Promise<void>;

  /** Hashes of all blobs that a record names, or a line of a conversation. */
  blobsInUse(): Promise<Set<string>>;

  // The worker's model
  saveModelCard(card: ModelCard): Promise<void>;
  modelCard(): Promise<ModelCard | null>;
}

export interface RecordStore extends Records {
  /** All or nothing. `work` may run again after a conflict, so it must touch only `records`. */
  transaction<T>(work: (records: Records) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}
