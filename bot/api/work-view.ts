/** @file Runs and sets as the REST API shows them. */
import type { JobWork } from '../../commands/work/channel-queue.ts';
import type { CommandContext } from '../../commands/contract.ts';
import { jobOf } from '../../commands/work/work.ts';
import type { JobKind } from '../../core/job-payloads.ts';
import type { Adapter, Picture, Progress, WorkFailure, WorkState } from '../../core/records.ts';
import { groupBy } from '../../core/group.ts';
import { meaningOf } from '../../core/votes/emoji.ts';

export interface PictureJson {
  readonly id: string;
  /** A link that works for eight days; null where the safety check hides the picture. */
  readonly url: string | null;
  readonly width: number;
  readonly height: number;
  /** null in a pair of an open duel: it would tell which adapter drew which picture. */
  readonly seed: number | null;
  readonly sensitive: boolean;
  /** Members for and against it. */
  readonly votes: { readonly for: number; readonly against: number };
}

export interface AdapterJson {
  readonly id: string;
  readonly step: number;
  readonly final: boolean;
  readonly url: string;
}

export interface WorkJson {
  readonly id: string;
  readonly kind: JobKind;
  readonly state: WorkState;
  readonly progress: Progress | null;
  /** 1 for the next to run; null unless it is queued. */
  readonly position: number | null;
  readonly failure: WorkFailure | null;
  readonly createdAt: Date;
  readonly endedAt: Date | null;
  readonly pictures: readonly PictureJson[];
  readonly adapters: readonly AdapterJson[];
}

/** The address of a file, for a blob's hash. */
export type Link = (hash: string, fileName: string) => string;

export async function workJson(work: JobWork, context: CommandContext, link: Link): Promise<WorkJson> {
  const { records, jobs } = context;
  const record = work.kind === 'run' ? work.run : work.set;
  const kind = work.kind === 'run' ? jobOf(work.run) : 'imagine';
  const { id, state, progress, failure, createdAt, endedAt } = record;
  const setIds = work.kind === 'run' ? (await records.setsOfRun(id)).map((set) => set.id) : [id];
  const adapters = (await records.adapters(record.channelId)).filter(({ runId }) => runId === id);
  return {
    id,
    kind,
    state,
    progress,
    position: state === 'queued' ? await jobs.position(kind, id) : null,
    failure,
    createdAt,
    endedAt,
    pictures: await picturesOf(setIds, context, link, await isBlind(work, context)),
    adapters: adapters.map((adapter) => adapterJson(adapter, link)),
  };
}

/** Whether it is a pair of an open duel. */
async function isBlind(work: JobWork, { records }: CommandContext): Promise<boolean> {
  const duelId = work.kind === 'set' ? work.set.duelId : null;
  return duelId !== null && (await records.duel(duelId))?.state === 'open';
}

async function picturesOf(
  setIds: readonly string[],
  { records }: CommandContext,
  link: Link,
  blind: boolean,
): Promise<PictureJson[]> {
  const pictures: Picture[] = [];
  for (const setId of setIds) pictures.push(...(await records.pictures(setId)));
  const votes = pictures.length === 0 ? new Map<string, Votes>() : await votesOn(setIds, records);
  return pictures.map(({ id, blobHash, width, height, seed, sensitive }) => ({
    id,
    url: sensitive ? null : link(blobHash, 'picture.png'),
    width,
    height,
    seed: blind ? null : seed,
    sensitive,
    votes: votes.get(id) ?? { for: 0, against: 0 },
  }));
}

type Votes = PictureJson['votes'];

/** Members whose standing reactions are for and against each picture; one with both counts as neither. */
async function votesOn(
  setIds: readonly string[],
  records: CommandContext['records'],
): Promise<ReadonlyMap<string, Votes>> {
  const standing = new Map<string, { pictureId: string; memberId: string; sign: number }>();
  for (const { pictureId, memberId, emoji, added } of await records.voteFacts(...setIds)) {
    const key = `${pictureId} ${memberId} ${emoji}`;
    if (added) standing.set(key, { pictureId, memberId, sign: Math.sign(meaningOf(emoji).sign) });
    else standing.delete(key);
  }
  const ofPictures = groupBy([...standing.values()], ({ pictureId }) => pictureId);
  return new Map(
    [...ofPictures].map(([pictureId, its]) => {
      const sums = [...groupBy(its, ({ memberId }) => memberId).values()].map((of) =>
        of.reduce((sum, { sign }) => sum + sign, 0),
      );
      const count = (wanted: (sum: number) => boolean) => sums.filter(wanted).length;
      return [pictureId, { for: count((sum) => sum > 0), against: count((sum) => sum < 0) }];
    }),
  );
}

export const adapterJson = ({ id, step, final, blobHash }: Adapter, link: Link): AdapterJson => ({
  id,
  step,
  final,
  url: link(blobHash, 'adapter.safetensors'),
});
