/**
 * @file `krona evaluate model`: draws held-out prompts with a model and judges them, beside the same judgements of real
 * pictures, original and restored by the model's autoencoder. Drawn pictures are kept, so a stopped evaluation resumes.
 */
import { at } from '../../core/at.ts';
import { join } from 'node:path';
import { makeFolder, writeWhole } from '../../core/files.ts';
import { modelFingerprint } from '../../gpu-worker/models/fingerprint.ts';
import { readPretrainData } from '../pretrain/pretrain-config.ts';
import { drawJudged, JUDGED_SAMPLING } from '../pretrain/evaluate-model.ts';
import { hashName } from '../pretrain/held-out.ts';
import { Judge } from '../pretrain/judge.ts';
import { prepareArt, type TrainingArt } from '../pretrain/sampler.ts';
import { contactSheet } from '../pretrain/sheet.ts';
import { loadSprites } from '../pretrain/sprites.ts';
import { TextToImage } from '../../gpu-worker/sampling/text-to-image.ts';
import type { Progress } from '../../core/records.ts';
import { askedPictures, realPicture, type AskedCounts, type AskedPicture } from './asked-pictures.ts';
import { claimFolder, readStrip, writeJson, writeStrip } from './files.ts';
import { classifierView, type Classified } from './classifier.ts';
import { Judges } from './judges.ts';
import { readModelCard, writeMeasuredCard } from './model-card.ts';
import { PairJudge } from './pair-judge.ts';
import { phaseProgress } from './phase-progress.ts';
import { modelTable, summariseModel, type ModelReport, type SeenPicture } from './model-report.ts';
import { PictureSet } from './picture-sets.ts';
import { openRestorer, type Restorer } from './restore.ts';

export interface MeasureOptions {
  /** Model folder. */
  readonly model: string;
  /** The configuration that the model was trained with. */
  readonly config: string;
  /** Output folder for pictures, report.json, table.md and sheet.png. */
  readonly out: string;
  readonly counts: AskedCounts;
  /** Pictures of each prompt. */
  readonly seeds: number;
  /** Whether to write the table and the missed goals to the model's README.md; false by default. */
  readonly card?: boolean;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

/** The full evaluation: the single prompts of the README's figures, and enough of the other kinds. */
export const FULL_COUNTS: AskedCounts = { single: 512, pair: 96, corner: 48, count: 48, recolour: 96 };
export const QUICK_COUNTS: AskedCounts = { single: 48, pair: 12, corner: 6, count: 6, recolour: 12 };

/** @throws KronaError MODEL_*, PRETRAIN_*, EVALUATION_MISMATCH, FILE_UNWRITABLE; and the signal's reason when it aborts */
export async function measureModel(options: MeasureOptions): Promise<ModelReport> {
  const { out, seeds, counts } = options;
  await makeFolder(out);
  const data = await readPretrainData(options.config);
  if (options.card) await readModelCard(options.model);
  const judges = await Judges.open(data);
  const painter = await TextToImage.open(options.model);
  const restorer = await openRestorer(painter.model, data.size);
  try {
    const art = prepareArt(data, (await loadSprites(data, join(out, 'sprites'))).sprites);
    const asked = askedPictures(art, counts, (concept) => judges.knows(concept));
    await claimFolder(join(out, 'run.json'), {
      model: await modelFingerprint(painter.model),
      prompts: hashName(JSON.stringify(asked.map(({ prompt }) => prompt))),
      seeds,
      ...JUDGED_SAMPLING,
    });

    const drawn = await drawAsked(painter, asked, data.size, options);
    const { seen, sets } = await judgeAsked({ art, judges, restorer }, asked, drawn, options);
    const report = summariseModel(data, asked, seen, {
      model: painter.model.name,
      sets: {
        model: sets.model.comparedWith(sets.real),
        restored: sets.restored.comparedWith(sets.real),
      },
      classifiers: { concepts: judges.concepts.accuracies, styles: judges.styles.accuracies },
    });
    await writeJson(join(out, 'report.json'), { ...report, pictures: seen });
    await writeWhole(join(out, 'table.md'), modelTable(report));
    await writeWhole(join(out, 'sheet.png'), await sheetOf(asked, drawn, seen));
    if (options.card) await writeMeasuredCard(options.model, report);
    return report;
  } finally {
    await restorer.release();
    await painter.release();
    await judges.release();
  }
}

/** Draws each prompt's pictures, one per seed, and keeps them in `out`; kept pictures are read back. */
async function drawAsked(
  painter: TextToImage,
  asked: readonly AskedPicture[],
  size: number,
  { out, seeds, signal, onProgress }: MeasureOptions,
): Promise<Float32Array[][]> {
  const progress = phaseProgress('drawing', asked.length, onProgress);
  const drawn: Float32Array[][] = [];
  for (const [index, { prompt }] of asked.entries()) {
    signal?.throwIfAborted();
    const path = join(out, 'pictures', `${String(index).padStart(4, '0')}.png`);
    const kept = await readStrip(path);
    const pictures =
      kept ??
      (await drawJudged(painter, size, { prompt, seed: index, count: seeds }, signal ? { signal } : {}));
    if (!kept) await writeStrip(path, pictures, size);
    drawn.push(pictures);
    progress(index + 1, kept !== null);
  }
  return drawn;
}

/** Judges the model's pictures, and the real picture of each prompt, original and restored. */
async function judgeAsked(
  { art, judges, restorer }: { art: TrainingArt; judges: Judges; restorer: Restorer },
  asked: readonly AskedPicture[],
  drawn: readonly Float32Array[][],
  { signal, onProgress }: MeasureOptions,
): Promise<{ seen: SeenPicture[]; sets: Readonly<Record<SeenPicture['source'], PictureSet>> }> {
  const { size } = art.data;
  const sets = { model: new PictureSet(), real: new PictureSet(), restored: new PictureSet() };
  const nearest = { single: new Judge(art), pair: new PairJudge(art) };
  const progress = phaseProgress('judging', asked.length, onProgress);
  const seen: SeenPicture[] = [];
  for (const [index, each] of asked.entries()) {
    signal?.throwIfAborted();
    const real = realPicture(art, each, index);
    const pictures = [
      ...at(drawn, index).map((picture) => ({ source: 'model' as const, picture })),
      { source: 'real' as const, picture: real },
      { source: 'restored' as const, picture: await restorer.restore(real) },
    ];
    for (const { source, picture } of pictures) {
      const classified = await judges.concepts.classify(classifierView(picture, size));
      seen.push(await seePicture(judges, nearest, each, index, source, { picture, classified }));
      sets[source].add(picture, size, classified.features);
    }
    progress(index + 1, false);
  }
  return { seen, sets };
}

/** The judges' answers to all questions about this kind of prompt; questions that can't be judged are omitted. */
async function seePicture(
  judges: Judges,
  nearest: { readonly single: Judge; readonly pair: PairJudge },
  asked: AskedPicture,
  index: number,
  source: SeenPicture['source'],
  { picture, classified }: { readonly picture: Float32Array; readonly classified: Classified },
): Promise<SeenPicture> {
  const { kind, layout, concept, other, style, background } = asked;
  const answers: Record<string, boolean> = { background: judges.background(picture) === background };
  let copy: SeenPicture['copy'] = null;
  if (kind === 'single') {
    const drawing = nearest.single.judge(picture, background);
    answers['nearest drawing'] = drawing.concepts[0] === concept;
    copy = { distance: drawing.copyDistance, concept: at(drawing.concepts, 0), style: drawing.style };
    answers['style'] = nearest.single.styleOf(picture, background, concept) === style;
    answers['style, by the classifier'] = (await judges.style(picture)) === style;
    if (judges.knows(concept)) {
      const concepts = judges.knownConcepts(classified);
      answers['concept, top-1'] = concepts[0] === concept;
      answers['concept, top-5'] = concepts.slice(0, 5).includes(concept);
    }
  }
  if (layout.kind === 'pair') {
    const { relation } = layout;
    answers['both nearest drawings'] = nearest.pair.showsBoth(
      picture,
      background,
      [concept, other],
      relation,
    );
    answers['both shown'] = await judges.showsBoth(picture, concept, other, relation);
  }
  if (asked.hue) answers['colour'] = judges.hue(picture) === asked.hue.name;
  if (layout.kind === 'corner') answers['place'] = judges.place(picture) === layout.where;
  if (layout.kind === 'count') answers['number'] = judges.count(picture) === layout.count;
  return { asked: index, source, answers, copy };
}

/** Answers of the classifiers, which also misjudge many real pictures. */
const CLASSIFIED = ['concept, top-1', 'concept, top-5', 'style, by the classifier', 'both shown'];

/** The first pictures of each kind; green where all answers but the classifiers' are right. */
const SHOWN: AskedCounts = { single: 64, pair: 24, corner: 8, count: 8, recolour: 24 };

async function sheetOf(
  asked: readonly AskedPicture[],
  drawn: readonly Float32Array[][],
  seen: readonly SeenPicture[],
): Promise<Buffer> {
  const left = { ...SHOWN };
  const cells = asked.flatMap(({ kind, prompt }, index) => {
    if (left[kind]-- <= 0) return [];
    const { answers } = seen.find((one) => one.asked === index && one.source === 'model')!;
    const questions = Object.entries(answers).filter(([question]) => !CLASSIFIED.includes(question));
    const right = questions.every(([, answer]) => answer);
    return [{ image: at(at(drawn, index), 0), label: prompt, right }];
  });
  return contactSheet(cells);
}
