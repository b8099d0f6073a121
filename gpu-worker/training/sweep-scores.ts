/** @file What a sweep has done, in a file of its folder. */
import { isDeepStrictEqual } from 'node:util';
import { KronaError } from '../../core/errors.ts';
import { readFileIfAny, writeWhole } from '../../core/files.ts';
import type { CheckpointScore } from '../../core/records.ts';
import { cellName, type Rung, type SweepCell } from '../../core/sweep-plan.ts';
import { isJsonObject } from '../../core/json-object.ts';
import { isScore } from './resume.ts';
import type { modelIdentity } from '../models/model-identity.ts';

type ModelIdentity = Awaited<ReturnType<typeof modelIdentity>>;

/** What the file of a sweep holds. Cells that are done are not trained again, so nothing else says on which model they were. */
interface DoneFile {
  readonly model: ModelIdentity;
  readonly scores: readonly (readonly [string, CheckpointScore])[];
}

/** Scores that are known, by cell and steps, in a file. */
export class SweepScores {
  readonly #path: string;
  readonly #model: ModelIdentity;
  readonly #scores: Map<string, CheckpointScore>;

  private constructor(path: string, { model, scores }: DoneFile) {
    this.#path = path;
    this.#model = model;
    this.#scores = new Map(scores);
  }

  /** @throws KronaError RESUME_MISMATCH, RESUME_DAMAGED */
  static async open(path: string, model: ModelIdentity): Promise<SweepScores> {
    const text = await readFileIfAny(path);
    const before = text === null ? { model, scores: [] } : readDone(text, model);
    if (before === null)
      throw new KronaError(
        'RESUME_DAMAGED',
        'sweep.json, which tells what the sweep has done, is damaged. Remove the folder of its cells, and start again.',
      );
    if (!isDeepStrictEqual(before.model, model))
      throw new KronaError(
        'RESUME_MISMATCH',
        'The cells of this sweep were trained on another model. Use that model, or remove the folder and start again.',
      );
    return new SweepScores(path, before);
  }

  /** Of a cell that is done; undefined for any other. */
  score(cell: SweepCell, { steps }: Rung): CheckpointScore | undefined {
    return this.#scores.get(`${cellName(cell)}, ${steps} steps`);
  }

  /** Writes a score into the file. @returns it @throws KronaError FILE_UNWRITABLE */
  async add(cell: SweepCell, { steps }: Rung, score: CheckpointScore): Promise<CheckpointScore> {
    this.#scores.set(`${cellName(cell)}, ${steps} steps`, score);
    const file: DoneFile = { model: this.#model, scores: [...this.#scores] };
    await writeWhole(this.#path, JSON.stringify(file));
    return score;
  }
}

/** How many cells of rungs such a file counts as done; 0 for none and for a damaged one. */
export function countDone(text: string | null): number {
  const read = text === null ? null : parsed(text);
  const scores = isJsonObject(read) ? read['scores'] : read;
  return isDone(scores) ? scores.length : 0;
}

/** null for what is not JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** @param model - for a file of an earlier release, which did not name its model @returns null for a damaged file */
function readDone(text: string, model: ModelIdentity): DoneFile | null {
  const read = parsed(text);
  if (isDone(read)) return { model, scores: read };
  return isJsonObject(read) && isJsonObject(read['model']) && isDone(read['scores'])
    ? (read as unknown as DoneFile)
    : null;
}

const isDone = (value: unknown): value is DoneFile['scores'] =>
  Array.isArray(value) &&
  value.every((each) => Array.isArray(each) && typeof each[0] === 'string' && isScore(each[1]));
