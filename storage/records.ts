/**
 * @file What the store of records can do. No SQL, connection or vendor type appears here. Callers make the ids
 * (UUIDs); every write is durable when its promise resolves.
 */
import type {
  Platform,
  Channel,
  Member,
  Style,
  Subject,
  Photo,
  Run,
  Adapter,
  PictureSet,
  Picture,
  HeldPicture,
  SetPreview,
  GalleryPicture,
  GallerySearch,
  VoteFact,
  StandingVote,
  VotedSets,
  ChampionChange,
  AcceptedLicence,
  AuditEntry,
  Usage,
  OpenUsage,
  MemberData,
  Duel,
  Installation,
  Ranking,
  Post,
  Pull,
  ChatLine,
  OutboxJob,
  OwnedJob,
} from '../core/records.ts';
import type { JobKind } from '../core/job-payloads.ts';
import type { ApiToken, ListedToken, WebhookDelivery } from '../core/api-tokens.ts';
import type { LoggedEntry, OverviewChannel, OverviewWork } from '../core/overview.ts';
import type { ChannelRules, Reach, ServerRules } from '../core/rules.ts';
import type { ChannelSettings } from '../core/settings/schema.ts';
import type { ModelCard } from '../core/settings/model-card.ts';
import type { WorkerFacts, WorkerRecord } from '../core/workers.ts';

type New<T, Optional extends keyof T = never> = Omit<T, 'revision' | 'createdAt' | Optional> &
  Partial<Pick<T, Optional>>;

type LineContent = Pick<ChatLine, 'id' | 'channelId' | 'memberId' | 'body'>;

/** How many jobs of a kind there are. */
export interface Workload {
  readonly kind: JobKind;
  readonly state: 'queued' | 'running';
  readonly count: number;
  /** Since the oldest was requested. */
  readonly oldestSeconds: number;
}

/** What a platform says of a channel. */
export interface ChannelFacts {
  readonly ageRestricted?: boolean | undefined;
  /** The channel that a thread belongs to: its rules hold in the thread. */
  readonly parent?: { readonly externalId: string; readonly name: string } | undefined;
  /** The platform's id of the server or workspace. */
  readonly serverId?: string | undefined;
}

/** Where a platform keeps a file apart from its messages. */
export interface FilePlace {
  readonly platform: Platform;
  /** The workspace whose token can delete it; '': that of the configuration's token. */
  readonly serverId: string;
}

/** Reads and writes: each call on its own on a `RecordStore`, or together inside `transaction`. */
export interface Records {
  // Channels and members
  /** @param facts - as the platform reports them; each by default as it last reported it */
  channel(platform: Platform, externalId: string, name: string, facts?: ChannelFacts): Promise<Channel>;
  /** @param model - with whose settings; default: the channel's */
  channelById(id: string, model?: string): Promise<Channel | null>;
  /** A channel by the platform's own id; null when it is unknown. */
  channelByExternalId(platform: Platform, externalId: string): Promise<Channel | null>;
  /** Every channel of a platform, oldest first: the web chat's sidebar. */
  channels(platform: Platform): Promise<Channel[]>;
  /** Deletes a channel with everything in it. Jobs that are queued for it end without a result. */
  deleteChannel(id: string): Promise<void>;
  /** For the channel's model: each model has its own. */
  /** @param model - whose settings they are; default: the channel's */
  saveSettings(channelId: string, settings: ChannelSettings, model?: string): Promise<void>;
  /** As saved, or the defaults of the channel's platform. Threads have the rules of their channel. */
  rules(channelId: string): Promise<ChannelRules>;
  saveRules(channelId: string, rules: ChannelRules): Promise<void>;
  /** The rules of a channel's server, as saved, or the defaults; null where the platform has no servers. */
  serverRules(channelId: string): Promise<ServerRules | null>;
  /** @throws KronaError CHANNEL_NOT_FOUND, also where the platform has no servers */
  saveServerRules(channelId: string, rules: ServerRules): Promise<void>;
  /** Saves rules for a channel of which no rule was ever changed. */
  startRules(channelId: string, rules: ChannelRules): Promise<void>;
  /** Whether a member is blocked in any channel or server of a platform. */
  isBlocked(platform: Platform, memberId: string): Promise<boolean>;
  member(platform: Platform, externalId: string, name: string): Promise<Member>;
  members(ids: readonly string[]): Promise<Member[]>;
  /** Every member of a platform. */
  membersOn(platform: Platform): Promise<Member[]>;
  /** A member by the platform's own id; null when they are unknown. */
  memberByExternalId(platform: Platform, externalId: string): Promise<Member | null>;
  /** Members who have done anything in a channel, by name. */
  membersOf(channelId: string): Promise<Member[]>;
  memberData(memberId: string): Promise<MemberData>;
  /** Deletes a member's photos, what they had enlarged, and votes in every channel, and the photos in their messages. */
  eraseMember(memberId: string): Promise<{ photos: number; votes: number }>;

  // Log
  addAudit(
    entry: Pick<AuditEntry, 'channelId' | 'memberId' | 'action' | 'details'> &
      Partial<Pick<AuditEntry, 'targetId' | 'amount'>>,
  ): Promise<void>;
  /** Newest first, with the entries of the channel's threads. */
  audit(channelId: string, limit: number): Promise<AuditEntry[]>;
  /**
   * What was requested with an action within the last seconds, oldest first, without work that failed. The database's clock
   * counts them, which also times requests: those of several bots can differ.
   */
  usage(channelId: string, reach: Reach, action: string, seconds: number): Promise<Usage[]>;
  /** Runs and sets that are queued or running, oldest first; a run's own sets are part of it. */
  openUsage(channelId: string, reach: Reach): Promise<OpenUsage[]>;
  /** Bytes of the photos, adapters and pictures of a channel, its server, or all channels: of a member, or anybody's. */
  storedBytes(of: {
    readonly channelId: string;
    readonly reach: Reach | 'all';
    readonly memberId?: string | undefined;
  }): Promise<number>;

  // Subjects and photos
  addSubject(subject: Omit<Subject, 'createdAt' | 'championId' | 'championPinned'>): Promise<Subject>;
  subject(id: string): Promise<Subject | null>;
  subjectByName(channelId: string, name: string): Promise<Subject | null>;
  subjects(channelId: string): Promise<Subject[]>;
  /** Sets or removes the champion without a record of it; see `changeChampion`. */
  setChampion(subjectId: string, adapterId: string | null, pinned: boolean): Promise<void>;
  /** Makes an adapter the champion, and records the cause. */
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
   * Deletes a subject with its photos, runs, adapters and picture sets. Their posts stay until their messages are
   * deleted.
   *
   * @param how - who deleted it, for messages that cannot be deleted: `By Ann.`
   */
  deleteSubject(id: string, how: string): Promise<void>;
  /** Returns false when the subject already has a photo with the same bytes. */
  addPhoto(photo: New<Photo, 'caption' | 'size'>): Promise<boolean>;
  photos(subjectId: string): Promise<Photo[]>;
  /** @throws KronaError PHOTO_NOT_FOUND */
  setCaption(photoId: string, caption: string | null): Promise<void>;
  removePhoto(id: string): Promise<void>;

  // Styles
  /** Replaces one of the same name. */
  saveStyle(style: Style): Promise<void>;
  /** By name. */
  styles(channelId: string): Promise<Style[]>;
  removeStyle(channelId: string, name: string): Promise<void>;

  // Runs and adapters
  /** By default, it trains the channel's model. */
  addRun(run: New<Run, 'photoPrompts' | 'model' | RunOutcome>): Promise<Run>;
  run(id: string): Promise<Run | null>;
  /** Ids of refinements and sweeps that are done and whose turn it is to be judged by a duel, oldest first. */
  runsToJudge(): Promise<string[]>;
  /** Newest first. */
  runs(channelId: string, limit: number): Promise<Run[]>;
  /** Runs and sets that are queued or running, oldest first. */
  openWork(channelId: string): Promise<{ runs: Run[]; sets: PictureSet[] }>;
  updateRun(id: string, change: Partial<Pick<Run, 'state' | RunOutcome>>): Promise<void>;
  /** The blob with the last saved state of an unfinished run, and how many steps it has; null when none was stored. */
  runState(id: string): Promise<RunState | null>;
  /** Does nothing when the run was deleted, or has a later state. @param state - null: forgets it */
  saveRunState(id: string, state: RunState | null): Promise<void>;
  /**
   * When the run already has an adapter of this step with these factors and rate (a resumed run writes its checkpoints
   * again), only makes it the final one, if it is.
   */
  addAdapter(adapter: Omit<Adapter, 'createdAt' | 'model'>): Promise<void>;
  adapter(id: string): Promise<Adapter | null>;
  /** Newest first. */
  adapters(channelId: string): Promise<Adapter[]>;
  /** Its run gets a new revision. */
  deleteAdapter(id: string): Promise<void>;

  // Sets, pictures and votes
  /** By default, the channel's model draws it. */
  addSet(
    set: New<
      PictureSet,
      | 'model'
      | 'alsoAdapterIds'
      | 'variationOf'
      | 'upscaleOf'
      | 'start'
      | 'steering'
      | 'awaitsRunId'
      | 'duelId'
      | 'duelPlace'
      | 'promptLength'
      | 'progress'
      | 'failure'
      | 'endedAt'
    >,
  ): Promise<PictureSet>;
  set(id: string): Promise<PictureSet | null>;
  setsOfRun(runId: string): Promise<PictureSet[]>;
  /** Queued sets that wait for a run that has ended, oldest first. */
  setsToRelease(): Promise<PictureSet[]>;
  updateSet(
    id: string,
    change: Partial<
      Pick<
        PictureSet,
        'state' | 'progress' | 'failure' | 'endedAt' | 'adapterId' | 'awaitsRunId' | 'promptLength'
      >
    >,
  ): Promise<void>;
  /** Does nothing when the set already has a picture at this index. */
  addPicture(picture: New<Picture, 'unsafe' | 'sensitive' | 'size' | 'prompt'>): Promise<void>;
  pictures(setId: string): Promise<Picture[]>;
  picture(id: string): Promise<Picture | null>;
  /** Records that a picture is held back; does nothing when that is recorded already. */
  holdPicture(held: HeldPicture): Promise<void>;
  /** In order of place. */
  heldPictures(setId: string): Promise<HeldPicture[]>;
  /**
   * Replaces what a running set looks like so far; does nothing for any other set. It is gone when the set ends or is deleted.
   *
   * @param preview - null: nothing is shown
   */
  savePreview(setId: string, preview: SetPreview | null): Promise<void>;
  preview(setId: string): Promise<SetPreview | null>;
  /** Deletes a set; its posts stay until their messages are deleted. @param how - as in `deleteSubject` */
  deleteSet(id: string, how: string): Promise<void>;
  /** Adds a fact unless it changes nothing (the reaction stands already, or is removed already). True when added. */
  addVote(vote: Omit<VoteFact, 'id' | 'at'>): Promise<boolean>;
  /** Prompts that a subject was drawn with alone, each once, the newest first. */
  promptsOfSubject(subjectId: string): Promise<string[]>;
  /** The votes on some sets, oldest first. */
  voteFacts(...setIds: readonly string[]): Promise<(VoteFact & { readonly setId: string })[]>;
  /**
   * Standing votes of the channel, with the sets that were voted on and their pictures; without those of duels that are open.
   *
   * @param only - undefined: all sets
   */
  standingVotes(
    channelId: string,
    only?: VotedSets,
  ): Promise<{ votes: StandingVote[]; pictures: Picture[]; sets: PictureSet[] }>;
  /**
   * Pictures of a channel that members asked for, the newest first; without hidden ones.
   *
   * @param from - the place before which to begin, or after which to end; both null: the newest
   */
  gallery(
    search: GallerySearch,
    from: { readonly before: number | null; readonly after: number | null },
    limit: number,
  ): Promise<GalleryPicture[]>;
  /** Whether a channel's gallery shows a picture. */
  inGallery(channelId: string, pictureId: string): Promise<boolean>;
  /** Leaves out pictures that have just been deleted. */
  addRanking(ranking: Omit<Ranking, 'revision'>): Promise<void>;
  ranking(id: string): Promise<Ranking | null>;

  // Duels
  addDuel(
    duel: Omit<Duel, 'posted' | 'trials' | 'state' | 'reason' | 'revision' | 'createdAt' | 'endedAt'>,
  ): Promise<Duel>;
  duel(id: string): Promise<Duel | null>;
  /** The duel that judges a refinement or a sweep. */
  duelOfRun(runId: string): Promise<Duel | null>;
  /** Oldest first. */
  openDuels(channelId: string): Promise<Duel[]>;
  /** Ids of open duels whose time is over, or whose adapters, sets, pictures or votes changed since they were looked at. */
  duelsToLookAt(): Promise<string[]>;
  /** In order of place, without deleted ones. */
  setsOfDuel(duelId: string): Promise<PictureSet[]>;
  /** Changes a duel and counts it as looked at. Sets get new revisions when their trial or the duel ends. */
  updateDuel(
    id: string,
    change: Partial<Pick<Duel, 'posted' | 'trials' | 'state' | 'reason' | 'endedAt'>>,
  ): Promise<void>;
  /** Counts a duel as looked at, as it is in this transaction. */
  duelLookedAt(id: string): Promise<void>;

  // Messages and jobs
  addPost(post: Pick<Post, 'id' | 'channelId' | 'kind' | 'targetId'>): Promise<Post>;
  post(id: string): Promise<Post | null>;
  /** Posts of a platform whose target was changed or deleted since they were last shown, oldest first. */
  stalePosts(platform: Platform, limit: number): Promise<Post[]>;
  /** The post of a message, including messages that were replaced. */
  postByMessage(channelId: string, messageId: string): Promise<Post | null>;
  postOf(targetId: string): Promise<Post | null>;
  /**
   * Posts that have a message, open pairs of duels first, then the newest: the bot reads their reactions again when it
   * starts.
   */
  recentPosts(platform: Platform, limit: number): Promise<Post[]>;
  /** Records what a post's message shows. A different message id means that the earlier message was replaced. */
  markPost(id: string, messageId: string, shownRevision: number): Promise<void>;
  removePost(id: string): Promise<void>;
  /**
   * Records a file that a platform stores apart from the messages that show it.
   *
   * @param source - the hash of the blob that it shows, or the id of the run whose loss curve it shows
   */
  addPlatformFile(at: FilePlace, id: string, source: string): Promise<void>;
  /** The newest wanted file of a source. */
  platformFile(at: FilePlace, source: string): Promise<string | null>;
  /** Files to delete at the platform: nothing that they show exists any more. */
  unwantedPlatformFiles(at: FilePlace, limit: number): Promise<string[]>;
  /**
   * Marks files as unwanted that a crashed process left: those that show no existing picture, adapter or loss curve.
   * Photos are among them, because they are shown to one member only, and briefly.
   */
  dropStrayPlatformFiles(platform: Platform): Promise<void>;
  removePlatformFile(platform: Platform, id: string): Promise<void>;

  /** Adds the installation in a workspace, or replaces it. */
  saveInstallation(installation: Omit<Installation, 'installedAt'>): Promise<void>;
  /** The oldest first. */
  installations(platform: Platform): Promise<Installation[]>;
  /** Forgets an installation and its files at the platform. */
  removeInstallation(platform: Platform, serverId: string): Promise<void>;

  /**
   * Adds a line once: if this member has a line with this id in this channel, returns it unchanged, with `added` false.
   *
   * @throws KronaError LINE_ID_TAKEN when the id belongs to another member or channel
   */
  addLine(line: LineContent): Promise<ChatLine & { readonly added: boolean }>;
  /** Changes the body of a line of this channel and member. @throws KronaError LINE_NOT_FOUND */
  updateLine(line: LineContent): Promise<void>;
  /** Removes a line of this channel and member: its body becomes null, so that clients that show the line learn of it. */
  removeLine(channelId: string, memberId: string | null, id: string): Promise<void>;
  /**
   * The newest lines of a channel with revision > since, at most `limit`, oldest first. With `since` 0, removed lines
   * are left out.
   */
  lines(channelId: string, since: number, limit: number): Promise<ChatLine[]>;
  /** The last lines of a channel before a place (null: its last lines), oldest first, without removed ones. */
  linesBefore(channelId: string, place: number | null, limit: number): Promise<ChatLine[]>;
  /** The job is queued once this transaction is committed, even if the process crashes right after. */
  addOutboxJob(job: OutboxJob): Promise<void>;
  /** In the order in which they were added. */
  outboxJobs(limit: number): Promise<OwnedJob[]>;
  removeOutboxJob(id: string): Promise<void>;
  /**
   * The jobs of all runs and sets that are queued or running, oldest first, but for those still in the outbox. Samples
   * are part of their run.
   */
  openJobs(): Promise<OwnedJob[]>;

  /** Open work of all channels, by kind and state; states without any are left out. */
  workload(): Promise<Workload[]>;
  /** Bytes of all photos, adapters and pictures. */
  storedBytesInAll(): Promise<number>;
  /** Runs and requested sets of all channels that are queued or running, oldest first. */
  openWorkOfAll(limit: number): Promise<OverviewWork[]>;
  /** The same that have ended, the last first. */
  endedWorkOfAll(limit: number): Promise<OverviewWork[]>;
  /** Those with the most files first. */
  channelsOfAll(limit: number): Promise<OverviewChannel[]>;
  /** Newest first. */
  auditOfAll(limit: number): Promise<LoggedEntry[]>;

  // Tokens of the REST API
  /** @param token - with the hash of what programs send */
  addApiToken(token: Omit<ApiToken, 'createdAt' | 'usedAt'> & { readonly hash: string }): Promise<void>;
  /** The token of a hash, now used; null when there is none. */
  useApiToken(hash: string): Promise<ApiToken | null>;
  /** Of all channels, oldest first. */
  listApiTokens(): Promise<ListedToken[]>;
  /** The token that was removed; null: there was none. */
  removeApiToken(id: string): Promise<ApiToken | null>;
  /** Adds deliveries for work that has ended since, and of which webhooks are to be told. */
  noteEndedWork(): Promise<void>;
  /** What webhooks are to be told now. @param limit - of each token @param except - tokens that are left out; default none */
  dueDeliveries(limit: number, except?: readonly string[]): Promise<WebhookDelivery[]>;
  /** Forgets that webhooks were told of the end of some work, which begins again. */
  forgetDeliveries(workId: string): Promise<void>;
  /** Counts a try. @param seconds - until the next; null: none follows */
  markDelivery(id: string, seconds: number | null): Promise<void>;

  /** Hashes of all blobs that a record or a line of a conversation refers to. */
  blobsInUse(): Promise<Set<string>>;

  // Models
  /**
   * @param model - by default, KRONA_MODEL's own
   * @param pulled - of one that was pulled; by default, as it was
   */
  saveModelCard(card: ModelCard, model?: string, pulled?: PulledFiles): Promise<void>;
  /** null while no worker has described it, and once it was removed. @param model - by default, KRONA_MODEL's own */
  modelCard(model?: string): Promise<ModelCard | null>;
  /** Those that can be used, by name. */
  models(): Promise<KnownModel[]>;
  /** Its adapters stay. Does nothing to the default. */
  removeModel(model: string): Promise<void>;
  /**
   * Chooses the model of a place and of all places in it, whatever was chosen there.
   * @throws KronaError CHANNEL_NOT_FOUND, also of a server where the platform has none
   */
  chooseModel(model: string, where: ModelScope): Promise<void>;
  /** How many channels and choices name a model, and how much open work. */
  modelUses(model: string): Promise<{ readonly channels: number; readonly work: number }>;
  /** Adds one that is queued. */
  addPull(pull: Pick<Pull, 'id' | 'channelId' | 'memberId' | 'model'>): Promise<Pull>;
  pull(id: string): Promise<Pull | null>;
  /** The queued or running one of a model. */
  openPull(model: string): Promise<Pull | null>;
  /** The queued and running ones of all models, oldest first. */
  openPulls(): Promise<Pull[]>;
  updatePull(
    id: string,
    change: Partial<Pick<Pull, 'state' | 'progress' | 'failure' | 'endedAt'>>,
  ): Promise<void>;
  /** Does nothing when it is accepted already. */
  acceptLicence(licence: string, memberId: string): Promise<void>;
  acceptedLicence(licence: string): Promise<AcceptedLicence | null>;

  // Workers
  /** A heartbeat. Workers without one for a day are forgotten. */
  saveWorker(facts: WorkerFacts): Promise<Pick<WorkerRecord, 'drain'>>;
  /** Also those that are gone, until they are forgotten. In the order in which they started. */
  workers(): Promise<WorkerRecord[]>;
  /** Asks workers to take no more jobs. They hear it with their next heartbeat. */
  drainWorkers(ids: readonly string[]): Promise<void>;
  removeWorker(id: string): Promise<void>;
}

/** From where another worker can go on with a training. */
export interface RunState {
  readonly hash: string;
  /** 0 where an earlier release stored it. */
  readonly step: number;
}

/** Where a pulled model's files are from. */
export interface PulledFiles {
  readonly commit: string;
  readonly bytes: number;
}

export interface KnownModel {
  readonly name: string;
  readonly card: ModelCard;
  /** null: KRONA_MODEL's own. */
  readonly pulled: PulledFiles | null;
}

/** The channel of a thread counts, and the server of a channel. */
export type ModelScope =
  | { readonly scope: 'channel' | 'server'; readonly channelId: string }
  | { readonly scope: 'all' };

/** What a run has only once it has been worked on. */
type RunOutcome =
  | 'progress'
  | 'losses'
  | 'scores'
  | 'refinement'
  | 'sweep'
  | 'preference'
  | 'failure'
  | 'startedAt'
  | 'endedAt';

export interface RecordStore extends Records {
  /** Runs `work` all or nothing. It can run again after a conflict, so it must change nothing but `records`. */
  transaction<T>(work: (records: Records) => Promise<T>): Promise<T>;
  /** @throws KronaError DATABASE_UNAVAILABLE, DATABASE_BUSY, DATABASE_READ_ONLY when records can't be written just now */
  check(): Promise<void>;
  close(): Promise<void>;
}
