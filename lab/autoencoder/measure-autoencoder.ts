/**
 * @file Measures autoencoders side by side on drawings that none of them was trained on: report.json, table.md and a
 * sheet for each.
 */
import { join } from 'node:path';
import { makeFolder, writeWhole } from '../../core/files.ts';
import { writeJson } from '../evaluate/files.ts';
import { readPretrainData } from '../pretrain/pretrain-config.ts';
import { keptPhotos, keptPictures } from './kept-pictures.ts';
import { qualityOf, qualitySheet, restoreAll, type QualityFigures } from './quality.ts';

export interface MeasureOptions {
  /** Autoencoders' folders, each with config.json beside its weights. */
  readonly folders: readonly string[];
  readonly out: string;
  /** Pictures of each set. 24 by default. */
  readonly each?: number;
  /** Held-out photos; none by default. */
  readonly photos?: string;
  readonly onProgress?: (folder: string) => void;
}

/** By folder, then by set; includes the set `all`. */
export type QualityReport = Readonly<Record<string, Readonly<Record<string, QualityFigures>>>>;

/** @throws KronaError PRETRAIN_ART_MISSING, MODEL_CONFIG_*, FILE_NOT_FOUND, SAFETENSORS_*, FILE_UNWRITABLE */
export async function measureAutoencoders(options: MeasureOptions): Promise<QualityReport> {
  const { folders, out, each = 24, photos, onProgress } = options;
  await makeFolder(out);
  const data = await readPretrainData();
  const drawings = await keptPictures(data, each);
  const pictures =
    photos === undefined ? drawings : [...drawings, ...(await keptPhotos(photos, data.size, each))];
  const report: Record<string, Record<string, QualityFigures>> = {};
  for (const [index, folder] of folders.entries()) {
    onProgress?.(folder);
    const restored = await restoreAll(folder, pictures, data.size);
    report[folder] = qualityOf(pictures, restored, data.size);
    await writeWhole(join(out, `sheet-${index + 1}.png`), await qualitySheet(pictures, restored, data.size));
  }
  await writeJson(join(out, 'report.json'), report);
  await writeWhole(join(out, 'table.md'), qualityTable(report));
  return report;
}

/** A Markdown table: a row per set, and per autoencoder its mean error, worst picture and sharpness. */
export function qualityTable(report: QualityReport): string {
  const folders = Object.keys(report);
  const sets = Object.keys(report[folders[0] ?? ''] ?? {});
  const cells = ({ meanError, worstError, sharpness }: QualityFigures): string =>
    `${meanError.toFixed(1)} | ${worstError.toFixed(1)} | ${sharpness.toFixed(2)}`;
  const head = folders.map((folder) => `${folder}: mean error | worst | sharpness`);
  const lines = sets.map((set) => {
    const figures = Object.values(report).flatMap((of) => of[set] ?? []);
    return `| ${[set, ...figures.map(cells)].join(' | ')} |`;
  });
  return [
    `| set | ${head.join(' | ')} |`,
    `| --- |${' --: |'.repeat(3 * folders.length)}`,
    ...lines,
    '',
  ].join('\n');
}
