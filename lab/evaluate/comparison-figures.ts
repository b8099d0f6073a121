/**
 * @file The comparison's results as means over subjects with intervals: for each method, and for each setting of the
 * grids.
 */
import { at } from '../../core/at.ts';
import { METHODS, type Method } from '../../core/settings/choices.ts';
import {
  alignmentOf,
  bySubject,
  driftOf,
  fidelityOf,
  pairedDifference,
  scoreOf,
  type Studies,
} from './claims.ts';
import type { BaseScores, Result } from './compare-subject.ts';
import { cellKey } from './comparison-plan.ts';
import type { RealShares, Scores } from './comparison-scores.ts';
import { groupsOf, mean, meanInterval, type Interval } from './statistics.ts';

export type BestRates = Readonly<Record<Method, number>>;

const SCORES = {
  score: scoreOf,
  fidelity: fidelityOf,
  alignment: alignmentOf,
  drift: driftOf,
  background: ({ background }) => background,
  partner: ({ partner }) => partner,
  style: ({ style }) => style,
} as const satisfies Record<string, (one: Scores) => number>;

export type ScoreFigures = Readonly<Record<keyof typeof SCORES, Interval>>;

export interface MethodFigures extends ScoreFigures {
  readonly method: Method | 'model alone';
  readonly lr: number | null;
  readonly parameters: number;
  /** null for the model alone, and when no training finished. */
  readonly secondsPerStep: number | null;
}

/** All trainings of one setting. */
export interface SettingFigures extends ScoreFigures {
  readonly method: Method;
  /** Factors or rank. */
  readonly form: string;
  readonly lr: number;
  /** λ of the prior on ΔW; 0: none. */
  readonly priorL2: number;
  readonly steps: number;
  readonly parameters: number;
  /** Trainings that diverged. */
  readonly diverged: number;
}

export type Grid = 'rates' | 'forms' | 'priors' | 'steps';

/** Krona minus another method, paired by subject and seed. */
export interface Difference extends Readonly<Record<'fidelity' | 'alignment' | 'drift', Interval>> {
  readonly less: Method;
}

/** The rate with the highest mean score of each method. */
export function bestRates(results: readonly Result[]): BestRates {
  const best = (method: Method): number => {
    const groups = groupsOf(
      results.filter((result) => result.method === method),
      ({ lr }) => lr,
    );
    return at(
      at(
        groups.sort((a, b) => mean(b.map(scoreOf)) - mean(a.map(scoreOf))),
        0,
      ),
      0,
    ).lr;
  };
  return { krona: best('krona'), lora: best('lora'), full: best('full') };
}

/** @param units results that depend on each other, such as those of one subject */
function figuresOf(units: readonly (readonly Scores[])[]): ScoreFigures {
  const figures = Object.entries(SCORES).map(
    ([name, score]) => [name, meanInterval(units.map((own) => mean(own.map(score))))] as const,
  );
  return Object.fromEntries(figures) as Record<keyof typeof SCORES, Interval>;
}

/** The model alone, then each method. */
export function methodFigures(methods: readonly Result[], base: readonly BaseScores[]): MethodFigures[] {
  const alone = { method: 'model alone', lr: null, parameters: 0, secondsPerStep: null } as const;
  return [
    { ...alone, ...figuresOf(base.map((one) => [one])) },
    ...METHODS.map((method) => {
      const own = methods.filter((result) => result.method === method);
      const seconds = own.flatMap(({ secondsPerStep }) => secondsPerStep ?? []);
      const { lr, parameters } = at(own, 0);
      const secondsPerStep = seconds.length > 0 ? mean(seconds) : null;
      return { method, lr, parameters, secondsPerStep, ...figuresOf(bySubject(own)) };
    }),
  ];
}

/** Krona minus LoRA, and minus full fine-tuning. */
export function differencesOf(methods: readonly Result[]): Difference[] {
  return (['lora', 'full'] as const).map((less) => ({
    less,
    fidelity: pairedDifference(methods, fidelityOf, less),
    alignment: pairedDifference(methods, alignmentOf, less),
    drift: pairedDifference(methods, driftOf, less),
  }));
}

/** The judges' results on real pictures. */
export function realFigures(base: readonly BaseScores[]): Readonly<Record<keyof RealShares, Interval>> {
  const over = (kind: keyof RealShares) => meanInterval(base.map(({ real }) => real[kind]));
  return { background: over('background'), partner: over('partner') };
}

/** Every setting of each grid, methods together, in plan order. */
export function gridFigures({ rates, forms, priors, steps }: Studies): Record<Grid, SettingFigures[]> {
  const rows = (results: readonly Result[]): SettingFigures[] =>
    METHODS.flatMap((method) =>
      groupsOf(
        results.filter((result) => result.method === method),
        (result) => cellKey({ ...result, subject: '', seed: 0 }),
      ).map((own) => {
        const { a1, a2, rank, lr, priorL2 = 0, steps: after, parameters } = at(own, 0);
        return {
          method,
          form: { krona: `${a1}×${a2}`, lora: `rank ${rank}`, full: 'all' }[method],
          lr,
          priorL2,
          steps: after,
          parameters,
          diverged: own.filter(({ diverged }) => diverged).length,
          ...figuresOf(bySubject(own)),
        };
      }),
    );
  return { rates: rows(rates), forms: rows(forms), priors: rows(priors), steps: rows(steps) };
}
