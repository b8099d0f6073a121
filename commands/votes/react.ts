/** @file A reaction on a message becomes a vote fact, and may change the champion. */
import type { Picture, PictureSet } from '../../storage/records/contract.ts';
import type { Card } from '../card.ts';
import { championCard } from '../cards/champion-card.ts';
import type { CommandContext } from '../contract.ts';
import { decideChampion } from './champion.ts';
import { meaningOf } from './emoji.ts';
import { rankPictures } from './ranking.ts';

export interface Reaction {
  readonly setId: string;
  /** The picture under which the reaction is, null where one message shows the whole set. */
  readonly pictureId: string | null;
  readonly memberId: string;
  /** As the platform gives it; folded only when votes are counted. */
  readonly emoji: string;
  readonly added: boolean;
}

/** The picture that a reaction is about; null when that cannot be told (a heart under four pictures). */
function pictureOf(reaction: Reaction, pictures: readonly Picture[]): Picture | null {
  if (reaction.pictureId !== null) return pictures.find(({ id }) => id === reaction.pictureId) ?? null;
  const { place } = meaningOf(reaction.emoji);
  if (place !== null) return pictures.find(({ index }) => index === place) ?? null;
  return pictures.length === 1 ? pictures[0]! : null;
}

/** Lets the votes of a set's channel choose the champion of the set's subject. The card announces a change. */
async function crownByVotes(set: PictureSet, { records }: CommandContext): Promise<Card | null> {
  const subject = set.subjectId === null ? null : await records.subject(set.subjectId);
  if (!subject || subject.championPinned) return null;
  const data = await records.standingVotes(set.channelId);
  const adapters = (await records.adapters(set.channelId)).filter((each) => each.subjectId === subject.id);
  const change = decideChampion(subject, adapters, data);
  if (!change) return null;
  const crowned = await records.transaction(async (inside) => {
    // Votes were read outside, so that reactions never wait for each other; somebody may have chosen meanwhile.
    const now = await inside.subject(subject.id);
    const stands = now?.championId === change.previousId && !now.championPinned;
    if (!stands || !(await inside.adapter(change.adapterId))) return false;
    await inside.setChampion(subject.id, change.adapterId, false);
    return true;
  });
  if (!crowned) return null;
  const adapter = adapters.find((each) => each.id === change.adapterId)!;
  const best = rankPictures(data).find((each) => each.picture.adapterId === adapter.id);
  return championCard(subject, adapter, change.reason, best?.picture ?? null);
}

/**
 * Records a reaction on a picture of a set. Reactions of bots must not come here.
 *
 * @returns whether it added a fact, and a card for the channel when it changed the champion
 */
export async function recordReaction(
  reaction: Reaction,
  context: CommandContext,
): Promise<{ recorded: boolean; announcement: Card | null }> {
  const { records } = context;
  const { memberId, emoji, added } = reaction;
  const set = await records.set(reaction.setId);
  const picture = set && pictureOf(reaction, await records.pictures(set.id));
  if (!set || !picture) return { recorded: false, announcement: null };
  const recorded = await records.addVote({ pictureId: picture.id, memberId, emoji, added });
  const counts = recorded && meaningOf(emoji).sign !== 0;
  return { recorded, announcement: counts ? await crownByVotes(set, context) : null };
}
