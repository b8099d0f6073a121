/**
 * @file What the members of a channel preferred among pictures of a subject, to refine its champion with. The bot tells
 * members whether it is enough, and the worker reads it when the run starts, so that what was taken back or deleted
 * by then is left out.
 */
import { counted } from '../format.ts';
import { countPairs } from '../preference-pairs.ts';
import { byId, countedBallots, type VoteData } from './ballots.ts';

/** What members preferred among pictures of a subject. Pictures are blobs' hashes, weights above 0. */
export interface RefineVotes {
  /** Distinct members who preferred a picture to another. */
  readonly members: number;
  /** Pictures of one set, with its prompt as the member typed it. */
  readonly pairs: readonly {
    readonly setId: string;
    readonly prompt: string;
    readonly winner: string;
    readonly loser: string;
    readonly weight: number;
  }[];
  /** The best pictures. */
  readonly examples: readonly {
    readonly prompt: string;
    readonly picture: string;
    readonly weight: number;
  }[];
}

/** Fewest members and pairs to refine with: below, a run follows one member's taste or single pictures. */
const LEAST_VOTES = { members: 3, pairs: 12 };

/** Most pairs and examples, those with the most weight: each picture is encoded before the first step. */
const MOST_PAIRS = 200;
const MOST_EXAMPLES = 12;

/**
 * Returns the pairs of a subject's pictures that members prefer one of, and the best pictures.
 *
 * Pairs are of one set: the same prompt and settings. Votes of the member who requested a set don't count, and no member
 * has more than twice the median member's weight. Pictures with several subjects, of alternatives, and hidden ones are left
 * out.
 */
export function refineVotes(subjectId: string, { votes, pictures, sets }: VoteData): RefineVotes {
  const own = sets.filter((set) => set.subjectId === subjectId && set.alsoAdapterIds.length === 0);
  // Pictures of alternatives differ in their prompts, so which is preferred says nothing of the subject.
  const shown = pictures.filter(({ sensitive, prompt }) => !sensitive && prompt === null);
  const setOf = new Map(own.map((set) => [set.id, set]));
  const pictureOf = new Map(shown.map((picture) => [picture.id, picture]));
  const { pairs, winners, members } = countPairs(
    countedBallots({ votes, pictures: shown, sets: own }).map((ballot) => ({
      setId: ballot.set.id,
      memberId: ballot.memberId,
      ...byId(ballot),
    })),
  );
  const blob = (id: string): string => pictureOf.get(id)?.blobHash ?? '';
  const prompt = (setId: string): string => setOf.get(setId)?.prompt ?? '';
  return {
    members,
    pairs: pairs
      .toSorted((a, b) => b.weight - a.weight)
      .slice(0, MOST_PAIRS)
      .map(({ setId, winner, loser, weight }) => ({
        setId,
        prompt: prompt(setId),
        winner: blob(winner),
        loser: blob(loser),
        weight,
      })),
    examples: winners
      .slice(0, MOST_EXAMPLES)
      .map(({ setId, picture, weight }) => ({ prompt: prompt(setId), picture: blob(picture), weight })),
  };
}

/** What is missing to refine with, for people; null when nothing is. */
export function votesMissing({ members, pairs }: RefineVotes, name: string): string | null {
  const { members: least, pairs: fewest } = LEAST_VOTES;
  if (members >= least && pairs.length >= fewest) return null;
  const advice = `React to pictures of ${name} that others requested, in sets of two or more.`;
  if (members === 0) return `No votes prefer one picture of ${name} to another. ${advice}`;
  if (pairs.length === 0) return `The votes on pictures of ${name} cancel each other out. ${advice}`;
  const missing = [
    ...(members < least ? [counted(least - members, 'more member')] : []),
    ...(pairs.length < fewest ? [counted(fewest - pairs.length, 'more pair')] : []),
  ];
  return `Refining needs ${fewest} pairs of pictures by ${least} members. There are ${pairs.length} by ${members}; still missing: ${missing.join(' and ')}. ${advice}`;
}
