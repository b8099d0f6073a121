/**
 * @file The claims of the DiffuseKronA paper (arXiv 2402.17412) as tests on the comparison's results. The unit is the
 * subject, because scores of one subject depend on each other.
 */
import { at } from '../../core/at.ts';
import type { Method } from '../../core/settings/choices.ts';
import type { Result } from './compare-subject.ts';
import { GRID_SEED } from './comparison-plan.ts';
import { KINDS, type Kind } from './comparison-scores.ts';
import {
  allOf,
  deviation,
  groupsOf,
  mean,
  meanInterval,
  verdictOf,
  type Interval,
  type Verdict,
} from './statistics.ts';

/** Largest loss that still counts as "as good", in similarity and in share of prompts fulfilled. */
const MARGIN = 0.02;

/** Shares of LoRA's parameters at which the paper says that krona is as good. */
const STATED_SHARES = [0.5, 0.67] as const;

/** Learning rates across which the paper says that krona is stable. */
const STATED_RATES = [1e-4, 5e-3] as const;

export interface Claim {
  readonly name: 'a' | 'b' | 'c' | 'd';
  readonly text: string;
  readonly verdict: Verdict;
  /** Differences that the claim rests on; above 0 supports it. */
  readonly parts: readonly {
    readonly what: string;
    readonly interval: Interval;
    readonly margin: number;
    readonly verdict: Verdict;
  }[];
}

/** Mean over the kinds of request, so that the many backgrounds don't outweigh the few styles. */
export const alignmentOf = (result: Pick<Result, Kind>): number => mean(KINDS.map((kind) => result[kind]));
/** Mean over the feature extractors. */
export const fidelityOf = ({ fidelity }: Pick<Result, 'fidelity'>): number => mean(Object.values(fidelity));
export const driftOf = ({ drift }: Pick<Result, 'drift'>): number => mean(Object.values(drift));
/**
 * Harmonic mean of fidelity and alignment, 0 when either is 0 or less: members want both, and a model that never
 * learned the subject still follows every prompt.
 */
export function scoreOf(result: Pick<Result, 'fidelity' | Kind>): number {
  const [fidelity, alignment] = [fidelityOf(result), alignmentOf(result)];
  return fidelity > 0 && alignment > 0 ? (2 * fidelity * alignment) / (fidelity + alignment) : 0;
}

export interface Studies {
  readonly rates: readonly Result[];
  readonly methods: readonly Result[];
  readonly forms: readonly Result[];
  readonly priors: readonly Result[];
  readonly steps: readonly Result[];
}

export function testClaims({ rates, methods, forms, steps }: Studies): Claim[] {
  const share =
    mean(of(methods, 'krona').map(({ parameters }) => parameters)) /
    mean(of(methods, 'lora').map(({ parameters }) => parameters));
  return [
    claim('a', `krona with ${Math.round(100 * share)}% of LoRA's parameters is as good`, [
      part('fidelity', pairedDifference(methods, fidelityOf), MARGIN),
      part('alignment', pairedDifference(methods, alignmentOf), MARGIN),
      ...KINDS.map((kind) =>
        part(
          `alignment: ${kind}`,
          pairedDifference(methods, (one) => one[kind]),
          MARGIN,
        ),
      ),
      part(
        "fidelity, all factors and ranks with 50 to 67% of LoRA's parameters",
        smaller(forms, fidelityOf),
        MARGIN,
      ),
      part('alignment, the same', smaller(forms, alignmentOf), MARGIN),
    ]),
    claim('b', 'krona is more stable than LoRA: across learning rates, and across factors versus ranks', [
      part('spread over rates from 1e-4 to 5e-3, LoRA minus krona', steadier(rates.filter(stated)), 0),
      part('spread over factors and ranks, LoRA minus krona', steadier(forms), 0),
    ]),
    claim('c', 'small a1 with large a2 is the better half of the grid', [
      part('score minus that of the swapped factors', mirrored(forms), 0),
    ]),
    claim('d', `${secondLast(steps)} steps are enough for simple subjects`, [
      part('score minus that of twice as many steps', enough(steps), MARGIN),
    ]),
  ];
}

const stated = ({ lr }: Result): boolean => lr >= STATED_RATES[0] && lr <= STATED_RATES[1];

function claim(name: Claim['name'], text: string, parts: Claim['parts']): Claim {
  return { name, text, parts, verdict: allOf(parts.map(({ verdict }) => verdict)) };
}

const part = (what: string, interval: Interval, margin: number): Claim['parts'][number] => ({
  what,
  interval,
  margin,
  verdict: verdictOf(interval, margin),
});

const of = (results: readonly Result[], method: Method): Result[] =>
  results.filter((result) => result.method === method);

/** Results grouped by subject. */
export const bySubject = (results: readonly Result[]): Result[][] =>
  groupsOf(results, ({ subject }) => subject);

/** Krona minus `other`, paired by subject and seed. */
export function pairedDifference(
  results: readonly Result[],
  score: (result: Result) => number,
  other: Method = 'lora',
): Interval {
  const differences = bySubject(results).map((own) =>
    mean(
      of(own, 'krona').map((one) => {
        const rival = of(own, other).find(({ seed }) => seed === one.seed)!;
        return score(one) - score(rival);
      }),
    ),
  );
  return meanInterval(differences);
}

/** Krona's factors minus LoRA's ranks: the mean over all pairs with the stated share of parameters. */
export function smaller(results: readonly Result[], score: (result: Result) => number): Interval {
  const [least, most] = STATED_SHARES;
  const differences = bySubject(results).flatMap((own) => {
    const pairs = of(own, 'krona').flatMap((one) =>
      of(own, 'lora')
        .filter(({ parameters }) => {
          const share = one.parameters / parameters;
          return share >= least && share <= most;
        })
        .map((rival) => score(one) - score(rival)),
    );
    return pairs.length === 0 ? [] : mean(pairs);
  });
  return meanInterval(differences);
}

/** Standard deviation of LoRA's scores over its grid minus that of krona's, per subject. */
export function steadier(results: readonly Result[]): Interval {
  const spread = (own: readonly Result[]): number => deviation(own.map(scoreOf));
  return meanInterval(
    bySubject(results.filter(({ seed }) => seed === GRID_SEED)).map(
      (own) => spread(of(own, 'lora')) - spread(of(own, 'krona')),
    ),
  );
}

/** Score with a1 < a2 minus the score with both swapped, which has as many parameters. */
export function mirrored(results: readonly Result[]): Interval {
  const differences = bySubject(of(results, 'krona')).map((own) =>
    mean(
      own
        .filter(({ a1, a2 }) => a1 < a2)
        .flatMap((one) => {
          const other = own.find(({ a1, a2 }) => a1 === one.a2 && a2 === one.a1);
          return other ? [scoreOf(one) - scoreOf(other)] : [];
        }),
    ),
  );
  return meanInterval(differences);
}

/** Score after the second-last number of steps minus the score after the last. */
export function enough(results: readonly Result[]): Interval {
  const differences = bySubject(results).map((own) => {
    const longest = [...own].sort((a, b) => b.steps - a.steps);
    return scoreOf(at(longest, 1)) - scoreOf(at(longest, 0));
  });
  return meanInterval(differences);
}

const secondLast = (results: readonly Result[]): number =>
  at(
    [...new Set(results.map(({ steps }) => steps))].sort((a, b) => b - a),
    1,
  );
