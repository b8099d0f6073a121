/** @file How sure the classifier is that a picture is for adults alone. */
import type { ClassScores } from './mobilenet.ts';

/** 0 to 1. The classes of drawn and of photographed pornography, and of what comes near to it, taken together. */
export const unsafeScore = ({ hentai, porn, sexy }: ClassScores): number => Math.min(1, hentai + porn + sexy);
