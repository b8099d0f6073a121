/** @file The forms of ΔW that files are read in and written in: a new one is a line here and a file beside it. */
import { difference } from './difference.ts';
import type { Form } from './form.ts';
import { kronecker } from './kronecker.ts';
import { lowRank } from './low-rank.ts';

/** A file with several forms is called by the first of them. */
export const FORMS: readonly Form[] = [kronecker, lowRank, difference];
