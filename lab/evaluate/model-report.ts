/** @file A model's results as shares with their intervals, beside those of real pictures, and as a Markdown table. */
import { at } from '../../core/at.ts';
import type { PretrainData } from '../pretrain/concepts.ts';
import type { Accuracies } from './classifier.ts';
import type { AskedKind, AskedPicture } from './asked-pictures.ts';
import type { PictureSetFigures } from './picture-sets.ts';
import { bootstrap, groupsOf, mean, quantile, type Interval } from './statistics.ts';

export interface SeenPicture {
  /** Index of the prompt. */
  readonly asked: number;
  /** Drawn by the model; composed from real drawings; the latter restored by the model's autoencoder. */
  readonly source: 'model' | 'real' | 'restored';
  /** By question; questions that no judge can answer are absent. */
  readonly answers: Readonly<Record<string, boolean>>;
  /** Nearest training picture of a single subject: root mean square difference in 0–255, and its subject. */
  readonly copy: { readonly distance: number; readonly concept: number; readonly style: number } | null;
}

export interface ModelFigure {
  readonly kind: AskedKind;
  readonly question: string;
  /** Number of prompts judged. */
  readonly prompts: number;
  /** Share of the model's pictures, prompts resampled. */
  readonly model: Interval;
  /** Shares of the real pictures: the judge's ceiling, and the same after the autoencoder. */
  readonly real: number;
  readonly restored: number;
  /** Goal for the model's share; null without one, or where the judge recognises too few real pictures. */
  readonly goal: number | null;
}

export interface ModelReport {
  readonly model: string;
  readonly figures: readonly ModelFigure[];
  readonly copies: {
    /** Median distances to the nearest training picture. */
    readonly model: number;
    readonly restored: number;
    /** Share of the model's pictures closer to a training picture than half of its restored copies are. */
    readonly asNearAsCopies: number;
    /** The closest of all. */
    readonly nearest: readonly { prompt: string; distance: number; training: string }[];
  } | null;
  /** All pictures together, compared with the real ones; null where there are too few. */
  readonly sets: Readonly<Record<'model' | 'restored', PictureSetFigures | null>>;
  /** Accuracies of the judges on held-out drawings. */
  readonly classifiers: Readonly<Record<string, Accuracies>>;
}

/** Goals, or shares of the ceiling on real pictures. */
const GOALS: Readonly<Record<string, { readonly share: number; readonly ofCeiling?: boolean }>> = {
  'single background': { share: 1 },
  'single nearest drawing': { share: 0.99 },
  'single concept, top-1': { share: 0.95, ofCeiling: true },
  'single concept, top-5': { share: 0.95, ofCeiling: true },
  'single style': { share: 0.97 },
  'pair both nearest drawings': { share: 0.9 },
  'count number': { share: 0.85 },
  'recolour colour': { share: 0.92 },
};

/** Gradient energy of the model's pictures as a share of the real pictures' that it should reach. */
const SHARP = 0.85;

/** A judge that misses more than this of real pictures sets no goal. */
const LOWEST_CEILING = 0.3;

export function summariseModel(
  data: PretrainData,
  asked: readonly AskedPicture[],
  seen: readonly SeenPicture[],
  facts: Pick<ModelReport, 'model' | 'sets' | 'classifiers'>,
): ModelReport {
  const answers = seen.flatMap((one) =>
    Object.entries(one.answers).map(([question, right]) => {
      const { kind } = at(asked, one.asked);
      return { key: `${kind} ${question}`, kind, question, right, one };
    }),
  );
  const figures = groupsOf(answers, ({ key }) => key).map((group): ModelFigure => {
    const { key, kind, question } = at(group, 0);
    const share = (some: readonly { readonly right: boolean }[]) =>
      mean(some.map(({ right }) => (right ? 1 : 0)));
    const of = (source: SeenPicture['source']) => group.filter(({ one }) => one.source === source);
    const prompts = groupsOf(of('model'), ({ one }) => one.asked);
    const real = share(of('real'));
    const goal = GOALS[key];
    return {
      kind,
      question,
      prompts: prompts.length,
      model: bootstrap(prompts, (sample) => share(sample.flat())),
      real,
      restored: share(of('restored')),
      goal: goal && real >= LOWEST_CEILING ? goal.share * (goal.ofCeiling ? real : 1) : null,
    };
  });
  return { ...facts, figures, copies: copiesOf(data, asked, seen) };
}

/** Pictures listed by name. */
const LISTED = 8;

function copiesOf(
  data: PretrainData,
  asked: readonly AskedPicture[],
  seen: readonly SeenPicture[],
): ModelReport['copies'] {
  const of = (source: SeenPicture['source']) =>
    seen.flatMap((one) => (one.source === source && one.copy ? [{ ...one.copy, asked: one.asked }] : []));
  const model = of('model').sort((a, b) => a.distance - b.distance);
  const restored = of('restored').map(({ distance }) => distance);
  if (model.length === 0) return null;
  const median = quantile(restored, 0.5);
  return {
    model: quantile(
      model.map(({ distance }) => distance),
      0.5,
    ),
    restored: median,
    asNearAsCopies: mean(model.map(({ distance }) => (distance < median ? 1 : 0))),
    nearest: model.slice(0, LISTED).map(({ asked: index, distance, concept, style }) => ({
      prompt: at(asked, index).prompt,
      distance,
      training: `${at(data.styles, style).word} ${at(data.concepts, concept).word}`,
    })),
  };
}

/** A share in Markdown. */
export const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;

/** Markdown. */
export function modelTable({ model, figures, copies, sets, classifiers }: ModelReport): string {
  const rows = figures.map(({ kind, question, prompts, model: share, real, restored, goal }) => {
    const met = goal === null ? '' : `≥ ${percent(goal)} ${share.estimate >= goal ? '✓' : '✗'}`;
    const range = `${percent(share.estimate)} (${percent(share.low)} to ${percent(share.high)})`;
    return `| ${kind} | ${question} | ${prompts} | ${range} | ${percent(real)} | ${percent(restored)} | ${met} |`;
  });
  const near = copies
    ? [
        `Nearest training picture: median distance ${copies.model.toFixed(1)} of 255; real pictures through the autoencoder ${copies.restored.toFixed(1)}. ${percent(copies.asNearAsCopies)} of the model's pictures are closer than half of those. The closest:`,
        '',
        ...copies.nearest.map(
          ({ prompt, distance, training }) =>
            `- ${distance.toFixed(1)}: “${prompt}”, nearest to a ${training}`,
        ),
        '',
      ]
    : [];
  const judged = Object.entries(classifiers).map(([name, accuracies]) => {
    const list = Object.entries(accuracies).map(([what, share]) => `${what} ${percent(share)}`);
    return `- ${name}: ${list.join(', ')}`;
  });
  return [
    `| prompts | question | number | ${model} (95%) | real pictures | through its autoencoder | goal |`,
    '|---|---|---|---|---|---|---|',
    ...rows,
    '',
    ...setLines(sets),
    ...near,
    'Accuracy of the judges on held-out drawings:',
    '',
    ...judged,
    '',
  ].join('\n');
}

function setLines({ model, restored }: ModelReport['sets']): string[] {
  if (model === null || restored === null) return [];
  const met = `goal ${SHARP} ${model.sharpness >= SHARP ? '✓' : '✗'}`;
  return [
    `All pictures beside the real ones of the same prompts: sharpness (gradient energy) ${model.sharpness.toFixed(2)}, ${met}; through the autoencoder ${restored.sharpness.toFixed(2)}. Fréchet distance in the classifier's features ${model.frechet.toFixed(2)}; through the autoencoder ${restored.frechet.toFixed(2)}.`,
    '',
  ];
}
