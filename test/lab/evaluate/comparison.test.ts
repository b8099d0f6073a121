import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { Result } from '../../../lab/evaluate/compare-subject.ts';
import {
  alignmentOf,
  enough,
  mirrored,
  pairedDifference,
  scoreOf,
  smaller,
  steadier,
  testClaims,
} from '../../../lab/evaluate/claims.ts';
import {
  cellKey,
  formsStudy,
  fullSize,
  methodsStudy,
  quickSize,
  priorsStudy,
  ratesStudy,
  stepsStudy,
  trainingsFor,
  type Cell,
} from '../../../lab/evaluate/comparison-plan.ts';
import { bestRates } from '../../../lab/evaluate/comparison-figures.ts';
import { readSubjects } from '../../../lab/evaluate/subjects.ts';

const best = { krona: 5e-3, lora: 1e-3, full: 2e-4 };

/** A result whose fidelity and alignment are both `score`. */
function result(cell: Partial<Cell>, score: number): Result {
  const defaults = {
    subject: 'a',
    method: 'krona',
    a1: 2,
    a2: 8,
    rank: 8,
    lr: 1e-3,
    steps: 200,
    seed: 0,
  } as const;
  return {
    ...defaults,
    ...cell,
    fidelity: { one: score - 0.1, two: score + 0.1 },
    background: score,
    partner: score,
    style: score,
    drift: { one: 0, two: 0 },
    parameters: cell.method === 'lora' ? 100 : 56,
    secondsPerStep: 0.1,
    loss: 0.1,
    diverged: false,
  };
}

describe('the plan', () => {
  it('trains equal settings once, and stages of one training together', async () => {
    const { subjects } = await readSubjects();
    const size = fullSize(subjects);
    expect(size.subjects).toHaveLength(12);
    const cells = [
      ratesStudy(size),
      methodsStudy(size, best),
      formsStudy(size, best),
      priorsStudy(size, best),
      stepsStudy(size, best),
    ].flat();
    const trainings = trainingsFor(cells);
    const keys = trainings.flatMap(({ steps, ...rest }) =>
      steps.map((each) => cellKey({ ...rest, steps: each })),
    );
    expect(new Set(keys).size).toBe(keys.length);
    expect(new Set(keys)).toEqual(new Set(cells.map(cellKey)));
    // Krona at 2×8 and its best rate is in four studies and trained once, to the end of the longest.
    const shared = trainings.filter(
      (one) =>
        one.subject === 'poodle' &&
        one.method === 'krona' &&
        one.seed === 0 &&
        one.lr === 5e-3 &&
        one.a1 === 2 &&
        one.a2 === 8 &&
        one.priorL2 === undefined,
    );
    expect(shared).toHaveLength(1);
    expect(shared[0]!.steps).toEqual([100, 200, 500, 1000]);
    // Every pair of factors has its mirror image, which has as many numbers.
    for (const [a1, a2] of size.factors) expect(size.factors).toContainEqual([a2, a1]);
  });

  it('names a result by exactly the settings that decide it', () => {
    const cell = result({ subject: 'police car' }, 0);
    expect(cellKey(cell)).toBe('police-car.krona-2x8-lr0.001-steps200-seed0');
    expect(cellKey({ ...cell, rank: 99 })).toBe(cellKey(cell));
    expect(cellKey({ ...cell, method: 'lora', a1: 99 })).toBe('police-car.lora-r8-lr0.001-steps200-seed0');
    for (const other of [
      { seed: 1 },
      { steps: 100 },
      { lr: 5e-3 },
      { a1: 8 },
      { priorL2: 1e-3 },
      { subject: 'poodle' },
    ])
      expect(cellKey({ ...cell, ...other })).not.toBe(cellKey(cell));
  });

  it('has a quick form of the same studies', async () => {
    const { subjects } = await readSubjects();
    const size = quickSize(subjects);
    for (const study of [
      ratesStudy(size),
      methodsStudy(size, best),
      formsStudy(size, best),
      priorsStudy(size, best),
      stepsStudy(size, best),
    ])
      expect(study.length).toBeGreaterThan(0);
    expect(size.subjects).toHaveLength(3);
  });
});

describe('claims', () => {
  const subjects = ['a', 'b', 'c', 'd', 'e'];

  it('pair methods by subject and seed', () => {
    // LoRA is 0.1 worse everywhere, though subjects and seeds differ by more than that.
    const results = subjects.flatMap((subject, s) =>
      [1, 2].flatMap((seed) => [
        result({ subject, seed }, 0.3 + 0.15 * s + 0.1 * seed),
        result({ subject, seed, method: 'lora' }, 0.2 + 0.15 * s + 0.1 * seed),
      ]),
    );
    const { estimate, low, high } = pairedDifference(results, alignmentOf);
    for (const value of [estimate, low, high]) expect(value).toBeCloseTo(0.1, 9);
  });

  it('weigh each kind of request the same', () => {
    expect(alignmentOf({ background: 1, partner: 0.5, style: 0 })).toBeCloseTo(0.5, 12);
    expect(alignmentOf({ background: 0, partner: 0, style: 0.9 })).toBeCloseTo(0.3, 12);
  });

  it('score pictures with both subject and request above those with one of them', () => {
    const score = (fidelity: number, alignment: number): number =>
      scoreOf({ ...result({}, alignment), fidelity: { one: fidelity } });
    expect(score(0.6, 0.6)).toBeCloseTo(0.6);
    expect(score(0.25, 1)).toBeCloseTo(0.4);
    expect(score(0, 1)).toBe(0);
    expect(score(-0.1, 1)).toBe(0);
  });

  it('compare all factors and ranks whose parameters are 50 to 67% of LoRA’s', () => {
    const results = subjects.flatMap((subject, s) => [
      { ...result({ subject, a1: 2 }, 0.6 + 0.1 * s), parameters: 50 },
      { ...result({ subject, a1: 4 }, 0.5 + 0.1 * s), parameters: 66 },
      { ...result({ subject, a1: 8 }, 0.9), parameters: 49 },
      { ...result({ subject, method: 'lora', rank: 8 }, 0.3 + 0.1 * s), parameters: 100 },
      { ...result({ subject, method: 'lora', rank: 16 }, 0.1), parameters: 200 },
    ]);
    // Differences of 0.3 and 0.2; what has 49 % or 33 % is not among them.
    const { estimate, low, high, units } = smaller(results, alignmentOf);
    for (const value of [estimate, low, high]) expect(value).toBeCloseTo(0.25, 9);
    expect(units).toBe(5);
    expect(smaller(results.slice(0, 1), alignmentOf)).toMatchObject({ units: 0 });
  });

  it('measure spread, swapped factors and steps within each subject', () => {
    const rates = subjects.flatMap((subject) =>
      [1e-3, 5e-3].flatMap((lr, i) => [
        result({ subject, lr }, 0.5 + 0.1 * i),
        result({ subject, lr, method: 'lora' }, 0.5 + 0.3 * i),
      ]),
    );
    // Deviations of two values apart by d are d/√2.
    expect(steadier(rates).estimate).toBeCloseTo(0.2 / Math.SQRT2, 9);
    const forms = subjects.flatMap((subject) => [
      result({ subject, a1: 2, a2: 8 }, 0.7),
      result({ subject, a1: 8, a2: 2 }, 0.6),
      result({ subject, a1: 4, a2: 64 }, 0.5),
      result({ subject, a1: 64, a2: 4 }, 0.2),
    ]);
    expect(mirrored(forms).estimate).toBeCloseTo((0.1 + 0.3) / 2, 9);
    const steps = subjects.flatMap((subject) =>
      [100, 500, 1000].map((each, i) => result({ subject, steps: each }, 0.4 + 0.1 * i)),
    );
    expect(enough(steps).estimate).toBeCloseTo(-0.1, 9);
  });

  const make = (gain: number) =>
    testClaims({
      rates: subjects.flatMap((subject) =>
        [1e-3, 5e-3, 2e-2].flatMap((lr, i) => [
          result({ subject, lr }, 0.5 + (lr === 2e-2 ? -0.5 : (0.1 - gain) * i)),
          result({ subject, lr, method: 'lora' }, 0.5 + 0.1 * i),
        ]),
      ),
      methods: subjects.flatMap((subject) => [
        result({ subject, seed: 1 }, 0.5 + gain),
        result({ subject, seed: 1, method: 'lora' }, 0.5),
      ]),
      forms: subjects.flatMap((subject) => [
        result({ subject, a1: 2, a2: 8 }, 0.5 + gain),
        result({ subject, a1: 8, a2: 2 }, 0.5),
        result({ subject, method: 'lora', rank: 1 }, 0.2),
        result({ subject, method: 'lora', rank: 8 }, 0.5),
      ]),
      priors: [],
      steps: subjects.flatMap((subject) => [
        result({ subject, steps: 500 }, 0.5 + gain),
        result({ subject, steps: 1000 }, 0.5),
      ]),
    });

  it('are judged true, false or undecided', () => {
    expect(make(0.05).map(({ verdict }) => verdict)).toEqual(['true', 'true', 'true', 'true']);
    const worse = make(-0.05);
    expect(worse.map(({ verdict }) => verdict)).toEqual(['false', 'false', 'false', 'false']);
    expect(worse[0]!.text).toContain("56% of LoRA's parameters");
    expect(worse[3]!.text).toContain('500 steps');
  });

  it('are worded as in docs/evaluation-methods.md', async () => {
    const page = await readFile('docs/evaluation-methods.md', 'utf8');
    for (const { name, text, parts } of make(0))
      for (const words of [`(${name}) ${text}`, ...parts.map(({ what }) => what)])
        expect(page).toContain(`| ${words} `);
  });

  it("use each method's own best rate", () => {
    const results = (['krona', 'lora', 'full'] as const).flatMap((method, m) =>
      [1e-4, 1e-3, 1e-2].map((lr, i) => result({ method, lr }, i === m ? 0.9 : 0.1)),
    );
    expect(bestRates(results)).toEqual({ krona: 1e-4, lora: 1e-3, full: 1e-2 });
  });
});
