/** @file The bounds of duels. */

/** Members who must have voted for one of a pair's pictures before the pair counts. An odd number, so there are no ties. */
export const VOTERS = 3;

/**
 * Pairs of a duel. Fewer than 8 can't decide it. With 30, members of whom each prefers the better picture 7 times in 10
 * decide it in two duels of three.
 */
export const PROMPTS = { least: 8, default: 30, most: 60 };

/** Pairs that are open for votes at once: more would fill the channel. */
export const OPEN_PAIRS = 2;

/** A duel ends after so long, whether decided or not; days. */
export const LONGEST_DAYS = 7;
