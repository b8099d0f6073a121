/**
 * @file The store of records, by meaning. No SQL, connection or vendor type appears here.
 * Ids are UUIDs made by the caller's side of the store; every write is durable when its promise resolves.
 */
import type {
  Platform,
  Channel,
  Member,
  Subject,
  Photo,
  Run,
  Adapter,
  PictureSet,
  Picture,
  HeldPicture,
  VoteFact,
  StandingVote,
  ChampionChange,
  AuditEntry,
  Usage,
  MemberData,
  Ranking,
  Post,
  ChatLine,
  OutboxJob,
} from '../core/records.ts';
import type { ChannelRules } from '../core/rules.ts';
import type { ChannelSettings, ModelCard } from '../core/settings/settings.ts';

type New<T, Optional extends keyof T = never> = Omit<T, 'revision' | 'createdAt' | Optional> &
  Partial<Pick<T, Optional>>;

type LineContent = Pick<ChatLine, 'id' | 'channelId' | 'memberId' | 'body'>;

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
  /**
   * Adds a line once: where channel and member have a line with this id, it is returned unchanged, with `added` false.
   *
   * @throws KronaError LINE_ID_TAKEN when the id is that of another member's or channel's line
   */
  addLine(line: LineContent): Promise<ChatLine & { readonly added: boolean }>;
  /** Changes the body of a line of this channel and member. @throws KronaError LINE_NOT_FOUND */
  updateLine(line: LineContent): Promise<void>;
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
