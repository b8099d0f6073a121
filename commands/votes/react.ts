/** @file Stores a reaction as a vote fact. It can change the champion, which a post then announces. */
import { randomUUID } from 'node:crypto';
import type { Adapter, ChampionChange, Picture, PictureSet } from '../../core/records.ts';
import { hasEnded } from '../../core/work-state.ts';
import type { CommandContext } from '../contract.ts';
import { isBlocked } from '../rules/guard.ts';
import { decideChampion } from './champion.ts';
import { meaningOf } from '../../core/votes/emoji.ts';
import { rankPictures } from './ranking.ts';

interface Reaction {
  readonly setId: string;
  /** The picture with the reaction; null where one message shows the whole set. */
  readonly pictureId: string | null;
  readonly memberId: string;
  /** As the platform spells it; folded only when votes are counted. */
  readonly emoji: string;
  readonly added: boolean;
}

/** Returns the picture of a reaction; null when it is ambiguous, such as a heart under four pictures. */
function pictureOf(reaction: Reaction, set: PictureSet, pictures: readonly Picture[]): Picture | null {
  if (reaction.pictureId !== null) return pictures.find(({ id }) => id === reaction.pictureId) ?? null;
  const { place } = meaningOf(reaction.emoji);
  if (place !== null) return pictures.find(({ index }) => index === place) ?? null;
  const [only] = pictures;
  // The first of several is not the only one for long.
  const complete = set.count === 1 || hasEnded(set);
  return only && pictures.length === 1 && complete ? only : null;
}

/** The adapters that votes choose from: when a training replaced a champion of another model, none from before. */
export function candidates(
  adapters: readonly Adapter[],
  changes: readonly ChampionChange[],
): readonly Adapter[] {
  const change = changes.findLast(({ cause, reason }) => cause === 'training' && reason !== null);
  const first = adapters.find(({ id }) => id === change?.adapterId);
  if (first === undefined) return adapters;
  return adapters.filter(({ runId, createdAt }) => runId === first.runId || createdAt > first.createdAt);
}

/** Lets votes choose the champion of a set's subject; null when it stays. */
export async function crownByVotes(
  set: PictureSet,
  { records }: CommandContext,
): Promise<ChampionChange | null> {
  const subject = set.subjectId === null ? null : await records.subject(set.subjectId);
  if (!subject || subject.championPinned) return null;
  const data = await records.standingVotes(set.channelId, { subjectId: subject.id });
  const channel = await records.channelById(set.channelId);
  const adapters = candidates(
    (await records.adapters(set.channelId)).filter(
      ({ subjectId, model }) => subjectId === subject.id && model === channel?.model,
    ),
    await records.championChanges(subject.id),
  );
  const change = decideChampion(subject, adapters, data);
  if (!change) return null;
  const best = rankPictures(data).find((each) => each.picture.adapterId === change.adapterId);
  const { adapterId, reason } = change;
  return records.transaction(async (inside) => {
    // Votes were read outside, so that reactions never wait for each other. A member may have chosen in the meantime.
    const now = await inside.subject(subject.id);
    const stands = now?.championId === change.previousId && !now.championPinned;
    if (!stands || !(await inside.adapter(adapterId))) return null;
    const crowned = await inside.changeChampion(
      {
        id: randomUUID(),
        subjectId: subject.id,
        adapterId,
        cause: 'votes',
        reason,
        pictureId: best && (await inside.picture(best.picture.id)) ? best.picture.id : null,
      },
      false,
    );
    await inside.addPost({
      id: randomUUID(),
      channelId: set.channelId,
      kind: 'champion',
      targetId: crowned.id,
    });
    return crowned;
  });
}

/**
 * Stores a reaction to a picture of a set, unless the member is blocked or it is a sample. Reactions of bots must not be passed.
 *
 * @returns the set if it added a fact, else null
 */
export async function storeReaction(
  reaction: Reaction,
  { records }: CommandContext,
): Promise<PictureSet | null> {
  const { memberId, emoji, added } = reaction;
  const set = await records.set(reaction.setId);
  const picture = set && pictureOf(reaction, set, await records.pictures(set.id));
  // Samples of a run have no vote, though a request of the web chat can name one.
  if (!set || !picture || set.kind === 'samples') return null;
  if (added && (await isBlocked(records, set.channelId, memberId))) return null;
  return (await records.addVote({ pictureId: picture.id, memberId, emoji, added })) ? set : null;
}

/**
 * Stores a reaction as `storeReaction`, and lets votes choose the champion.
 *
 * @returns whether it added a fact, and the change of champion
 */
export async function recordReaction(
  reaction: Reaction,
  context: CommandContext,
): Promise<{ recorded: boolean; change: ChampionChange | null }> {
  const set = await storeReaction(reaction, context);
  const counts = set !== null && meaningOf(reaction.emoji).sign !== 0;
  return { recorded: set !== null, change: counts ? await crownByVotes(set, context) : null };
}
