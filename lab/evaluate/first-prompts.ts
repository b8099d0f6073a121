/**
 * @file `krona evaluate prompts`: draws what newcomers type first, for people to look at. Some prompts ask for things
 * that the model can't know; their pictures should still make sense.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { KronaError } from '../../core/errors.ts';
import { makeFolder, writeWhole } from '../../core/files.ts';
import type { Progress } from '../../core/records.ts';
import { TextToImage } from '../../gpu-worker/sampling/text-to-image.ts';
import { readPretrainData } from '../pretrain/pretrain-config.ts';
import { drawJudged } from '../pretrain/evaluate-model.ts';
import { contactSheet, type SheetPicture } from '../pretrain/sheet.ts';
import { writeStrip } from './files.ts';
import { phaseProgress } from './phase-progress.ts';

const firstPrompts = new URL('./first-prompts.json', import.meta.url);
const schema = v.pipe(v.array(v.pipe(v.string(), v.minLength(1))), v.minLength(1));

export interface FirstPromptsOptions {
  /** Model folder. */
  readonly model: string;
  /** The configuration that the model was trained with. */
  readonly config: string;
  /** Output folder: sheet.png, and each picture by its number. */
  readonly out: string;
  /** A JSON list of prompts; sixty typical ones by default. */
  readonly prompts?: string;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

/**
 * Draws one picture of each prompt, with its number as seed.
 *
 * @returns the path of the sheet
 * @throws KronaError PROMPTS_INVALID, MODEL_*, FILE_UNWRITABLE; and the signal's reason when it aborts
 */
export async function drawFirstPrompts(options: FirstPromptsOptions): Promise<string> {
  const { out, signal, onProgress } = options;
  const prompts = await readPrompts(options.prompts);
  const { size } = await readPretrainData(options.config);
  await makeFolder(out);
  const painter = await TextToImage.open(options.model);
  const progress = phaseProgress('drawing', prompts.length, onProgress);
  const cells: SheetPicture[] = [];
  try {
    for (const [seed, prompt] of prompts.entries()) {
      const [image] = await drawJudged(painter, size, { prompt, seed }, signal ? { signal } : {});
      cells.push({ image: image!, label: prompt });
      await writeStrip(join(out, `${String(seed).padStart(3, '0')}.png`), [image!], size);
      progress(seed + 1, false);
    }
  } finally {
    await painter.release();
  }
  const path = join(out, 'sheet.png');
  await writeWhole(path, await contactSheet(cells, { columns: 10 }));
  return path;
}

async function readPrompts(path: string | undefined): Promise<readonly string[]> {
  const name = path ?? 'first-prompts.json';
  try {
    return v.parse(schema, JSON.parse(await readFile(path ?? firstPrompts, 'utf8')));
  } catch (cause) {
    throw new KronaError('PROMPTS_INVALID', `${name} isn't a JSON list of prompts, such as ["a cat"].`, {
      cause,
    });
  }
}
