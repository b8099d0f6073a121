/** @file A reaction on a message becomes a vote fact, and may change the champion. */
import type { Adapter, Picture, Subject } from '../../storage/records/contract.ts';
import type { CommandContext } from '../contract.ts';
import { decideChampion, type ChampionChange } from './champion.ts';
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

/** A champion that votes have changed: what to announce. */
export interface Crowned extends ChampionChange {
  readonly subject: Subject;
  readonly adapter: Adapter;
  /** The best picture of the new champion. */
  readonly picture: Picture | null;
}

/** The picture that a reaction is about; null when that cannot be told (a heart under four pictures). */
function pictureOf(reaction: Reaction, pictures: readonly Picture[]): Picture | null {
  if (reaction.pictureId !== null) return pictures.find(({ id }) => id === reaction.pictureId) ?? null;
  const { place } = meaningOf(reaction.emoji);
  if (place !== null) return pictures.find(({ index }) => index === place) ?? null;
  return pictures.length === 1 ? pictures[0]! : null;
}

/**
 * Records a reaction on a picture of a set. Reactions of bots must not come here.
 *
 * @returns whether it added a fact, and the champion that it changed
 */
export async function recordReaction(
  reaction: Reaction,
  context: CommandContext,
): Promise<{ recorded: boolean; crowned: Crowned | null }> {
  const { memberId, emoji, added } = reaction;
  return context.records.transaction(async (records) => {
    const set = await records.set(reaction.setId);
    const picture = set && pictureOf(reaction, await records.pictures(set.id));
    if (!set || !picture) return { recorded: false, crowned: null };
    const recorded = await records.addVote({ pictureId: picture.id, memberId, emoji, added });
    if (!recorded || set.subjectId === null || meaningOf(emoji).sign === 0)
      return { recorded, crowned: null };

    const subject = await records.subject(set.subjectId);
    if (!subject) return { recorded, crowned: null };
    const data = await records.standingVotes(set.channelId);
    const adapters = (await records.adapters(set.channelId)).filter((each) => each.subjectId === subject.id);
    const change = decideChampion(subject, adapters, data);
    if (!change) return { recorded, crowned: null };
    await records.setChampion(subject.id, change.adapterId, false);
    const adapter = adapters.find((each) => each.id === change.adapterId)!;
    const best = rankPictures(data).find((each) => each.picture.adapterId === adapter.id);
    return { recorded, crowned: { ...change, subject, adapter, picture: best?.picture ?? null } };
  });
}
