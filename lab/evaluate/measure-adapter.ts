/**
 * @file `krona evaluate adapter`: draws DreamBench's prompts with an adapter and scores the pictures against photos.
 * Drawn pictures are kept, so a stopped evaluation resumes, and other networks score the same pictures.
 */
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import * as v from 'valibot';
import { at } from '../../core/at.ts';
import type { ScoreFolders } from '../../core/environment.ts';
import { KronaError } from '../../core/errors.ts';
import { makeFolder, writeWhole } from '../../core/files.ts';
import { fromBytes, toBytes } from '../../core/pictures/rgb-bytes.ts';
import type { Progress } from '../../core/records.ts';
import { adapterBase } from '../../gpu-worker/adapters/files/adapter-base.ts';
import { adapterInfo } from '../../gpu-worker/adapters/files/adapter-info.ts';
import { checkAdapter } from '../../gpu-worker/adapters/files/read-adapter.ts';
import { modelCard } from '../../gpu-worker/adapters/model-card.ts';
import { modelFingerprint } from '../../gpu-worker/models/fingerprint.ts';
import { readRgb } from '../../gpu-worker/models/vision/preprocess.ts';
import { imagineDefaults } from '../../gpu-worker/sampling/imagine-defaults.ts';
import { TextToImage } from '../../gpu-worker/sampling/text-to-image.ts';
import { listPhotos } from '../../gpu-worker/training/photo-folder.ts';
import { contactSheet } from '../pretrain/sheet.ts';
import { AdapterScorer, type Metric, type Scores, type ScoreTable } from './adapter-scores.ts';
import { DREAMBENCH } from './dreambench.ts';
import { claimFolder, fileHashes, readStrip, writeJson, writeStrip } from './files.ts';
import { phaseProgress } from './phase-progress.ts';

export interface MeasureAdapterOptions extends ScoreFolders {
  /** Adapter file. */
  readonly adapter: string;
  /** Folder of photos of the subject. */
  readonly photos: string;
  /** Model folder or file. */
  readonly model: string;
  /** The subject's token and class word; by default as the adapter's file has them. */
  readonly subject?: string;
  readonly className?: string;
  /** `objects`, `live`, or a JSON list of prompts in which `{}` stands for the subject; `objects` by default. */
  readonly prompts?: string;
  /** Pictures of each prompt. */
  readonly seeds: number;
  /** Output folder for pictures, report.json, table.md and sheet.png. */
  readonly out: string;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

export interface AdapterReport extends ScoreTable {
  readonly model: string;
  readonly adapterFile: string;
  readonly subject: string;
  readonly className: string;
  readonly photoCount: number;
  readonly seeds: number;
  /** Network of each metric, by its folder's name. */
  readonly networks: Readonly<Partial<Record<Metric, string>>>;
  readonly prompts: readonly { readonly prompt: string; readonly scores: Scores }[];
}

/**
 * Draws and scores.
 *
 * @throws KronaError MODEL_*, ADAPTER_*, PHOTOS_MISSING, PHOTO_*, PROMPTS_INVALID, OPTION_INVALID, EVALUATION_MISMATCH,
 * FILE_UNWRITABLE; and the signal's reason when it aborts
 */
export async function measureAdapter(options: MeasureAdapterOptions): Promise<AdapterReport> {
  const { adapter, model, out, seeds } = options;
  await makeFolder(out);
  const prompts = await promptList(options.prompts ?? 'objects');
  const photos = [];
  for (const path of await listPhotos(options.photos)) photos.push(await readRgb(path));
  const scorer = await AdapterScorer.open(options, photos);
  try {
    const painter = await TextToImage.open(model);
    try {
      const words = await subjectOf(painter, options);
      const scored = await scoreAll(painter, scorer, prompts, words, options);
      const report: AdapterReport = {
        ...{ model: painter.model.name, adapterFile: basename(adapter), ...words, seeds },
        photoCount: photos.length,
        networks: scorer.names,
        ...scorer.table(scored.map(({ scores }) => scores)),
        prompts: scored.map(({ prompt, scores }) => ({ prompt, scores })),
      };
      await writeReport(out, report, scored);
      return report;
    } finally {
      await painter.release();
    }
  } finally {
    await scorer.release();
  }
}

interface Scored {
  readonly prompt: string;
  readonly scores: Scores;
  /** Its first picture. */
  readonly first: Float32Array;
  /** Pixels. */
  readonly size: number;
}

/** Draws the pictures of every prompt, or reads the kept ones, and scores them. */
async function scoreAll(
  painter: TextToImage,
  scorer: AdapterScorer,
  prompts: readonly string[],
  { subject, className }: { readonly subject: string; readonly className: string },
  { adapter, out, seeds, signal, onProgress }: MeasureAdapterOptions,
): Promise<Scored[]> {
  const { width: size, steps, guidance } = imagineDefaults(modelCard(painter.model));
  await claimFolder(join(out, 'run.json'), {
    model: await modelFingerprint(painter.model),
    ...(await fileHashes({ adapter })),
    prompts,
    subject: `${subject} ${className}`,
    ...{ seeds, size, steps, guidance },
  });
  const applied = await painter.readAdapter(adapter);
  const progress = phaseProgress('drawing and scoring', prompts.length, onProgress);
  const scored: Scored[] = [];
  for (const [index, prompt] of prompts.entries()) {
    signal?.throwIfAborted();
    const path = join(out, 'pictures', `${String(index).padStart(3, '0')}.png`);
    const kept = await readStrip(path);
    const request = {
      ...{ prompt: prompt.replaceAll('{}', `${subject} ${className}`), negative: null, adapter: applied },
      ...{ steps, guidance, width: size, height: size, seed: index, count: seeds },
      ...{ scheduler: null, noise: 'krona' as const },
    };
    const pictures =
      kept ?? (await painter.draw(request, signal ? { signal } : {})).map(({ pixels }) => fromBytes(pixels));
    if (kept === null) await writeStrip(path, pictures, size);
    const rgb = pictures.map((picture) => ({ width: size, height: size, pixels: toBytes(picture) }));
    const scores = await scorer.score(rgb, prompt.replaceAll('{}', className));
    scored.push({ prompt, scores, first: at(pictures, 0), size });
    progress(index + 1, kept !== null);
  }
  return scored;
}

/** report.json, table.md and sheet.png. */
async function writeReport(out: string, report: AdapterReport, scored: readonly Scored[]): Promise<void> {
  await writeJson(join(out, 'report.json'), report);
  await writeWhole(join(out, 'table.md'), adapterTable(report));
  const cells = scored.map(({ prompt, scores, first }) => ({
    image: first,
    label: `${prompt.replaceAll('{}', report.className)}: ${Object.values(scores).map(shown).join(', ')}`,
  }));
  await writeWhole(
    join(out, 'sheet.png'),
    await contactSheet(cells, { columns: 5, size: at(scored, 0).size }),
  );
}

const shown = (value: number): string => value.toFixed(3);

/** A report as a Markdown table. */
export function adapterTable({
  adapter,
  photos,
  networks,
  prompts,
  seeds,
  photoCount,
}: AdapterReport): string {
  const rows = Object.entries(adapter).map(([name, { estimate, low, high }]) => {
    const metric = name as Metric;
    const network = networks[metric] ?? networks['CLIP-I'] ?? '';
    const real = photos[metric];
    const interval = `${shown(estimate)} (${shown(low)} to ${shown(high)})`;
    return `| ${metric} | ${network} | ${interval} | ${real === undefined ? '' : shown(real)} |`;
  });
  return [
    '| score | network | adapter (95%) | photos |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
    `${prompts.length} prompts, ${seeds} pictures each, ${photoCount} photos; intervals over prompts.`,
    '',
  ].join('\n');
}

/** The subject as given, or as the adapter's file names it. @throws KronaError OPTION_INVALID, ADAPTER_* */
async function subjectOf(painter: TextToImage, options: MeasureAdapterOptions) {
  const { metadata } = await checkAdapter(options.adapter, adapterBase(painter.model));
  const info = adapterInfo(metadata);
  const subject = options.subject ?? info?.subjectToken ?? '';
  const className = options.className ?? info?.subjectClass ?? '';
  if (subject === '' || className === '')
    throw new KronaError(
      'OPTION_INVALID',
      `${basename(options.adapter)} doesn't name its subject. Add \`--subject\` with the token and \`--class\` with the class word of its training.`,
    );
  return { subject, className };
}

const schema = v.pipe(v.array(v.pipe(v.string(), v.includes('{}'))), v.minLength(1));

async function promptList(given: string): Promise<readonly string[]> {
  if (given === 'objects' || given === 'live') return DREAMBENCH[given];
  try {
    return v.parse(schema, JSON.parse(await readFile(given, 'utf8')));
  } catch (cause) {
    throw new KronaError(
      'PROMPTS_INVALID',
      `${basename(given)} isn't \`objects\`, \`live\` or a JSON list of prompts with {} for the subject, such as ["a {} in the snow"].`,
      { cause },
    );
  }
}
