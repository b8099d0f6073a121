/** @file The classifier's score for adult (NSFW) content. */
import type { ClassScores } from './mobilenet.ts';

/** 0 to 1: the sum of the classes of drawn and photographed pornography and of sexually suggestive pictures. */
export const unsafeScore = ({ hentai, porn, sexy }: ClassScores): number => Math.min(1, hentai + porn + sexy);
