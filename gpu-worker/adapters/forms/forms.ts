/** @file The forms of ΔW that files are read in and written in: a new one is a line here and a file beside it. */
import { difference } from './difference.ts';
import type { FileForm, Form } from './form.ts';
import { hadamard } from './hadamard.ts';
import { kronecker } from './kronecker.ts';
import { lowRank } from './low-rank.ts';
import { glora, ia3, oft } from './relative.ts';

/** A file with several forms is called by the first of them. */
export const FORMS: readonly Form[] = [kronecker, lowRank, difference];

/** All that files hold; those after the forms are read as layers of one of them. */
export const FILE_FORMS: readonly FileForm[] = [...FORMS, hadamard, glora, oft, ia3];
