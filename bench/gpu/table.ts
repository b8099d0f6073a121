/** @file The results of run.ts as tables. */
import type { SizeRow } from '../../cli/device-check/check-sizes.ts';
import type { ValueRow } from '../../cli/device-check/check-values.ts';
import { COMPARED } from './phases.ts';

export interface Outcome {
  readonly ok: boolean;
  readonly at: string;
  /** Seconds of the whole phase, with opening. */
  readonly wall: number;
  /** Most memory of the card beyond what was in use before, MiB; 0 without NVIDIA's tool. */
  readonly cardMib: number;
  readonly small: boolean;
  /** What the phase measured; `error` if it failed. */
  readonly facts: object;
}

type Outcomes = Readonly<Record<string, Outcome>>;

/** Seconds of a step, Krona's beside diffusers', and what was wrong; "not run" where so. */
export function table(outcomes: Outcomes): string {
  const lines = [
    '| step | Krona, s | diffusers, s | diffusers / Krona | Krona, MiB of the card | diffusers, MiB |',
    '| --- | --- | --- | --- | --- | --- |',
    ...COMPARED.map((name) => {
      const [own, rival] = [outcomes[name], outcomes[`rival-${name}`]];
      const [ours, theirs] = [secondsOf(own), secondsOf(rival)];
      const ratio = ours !== null && theirs !== null ? (theirs / ours).toFixed(2) : '–';
      return `| ${name} | ${shown(ours)} | ${shown(theirs)} | ${ratio} | ${memory(own)} | ${memory(rival)} |`;
    }),
    `| SD 1.5, training | ${shown(secondsOf(outcomes['sd15-training']))} | – | – | ${memory(outcomes['sd15-training'])} | – |`,
  ];
  const wrong = Object.entries(outcomes).flatMap(([name, { ok, facts }]) =>
    ok ? valuesOf(facts) : [`${name} failed: ${JSON.stringify(facts).slice(0, 500)}`],
  );
  return `${[...lines, '', ...wrong].join('\n')}\n`;
}

/** The fastest run after the first. */
function secondsOf(outcome: Outcome | undefined): number | null {
  if (!outcome?.ok) return null;
  const { rows = [], runs } = outcome.facts as { rows?: SizeRow[]; runs?: number[] };
  const seconds = runs ?? rows[0]?.runs ?? [];
  return seconds.length === 0 ? null : Math.min(...(seconds.length > 1 ? seconds.slice(1) : seconds));
}

const shown = (seconds: number | null): string => (seconds === null ? 'not run' : seconds.toPrecision(3));

const memory = (outcome: Outcome | undefined): string =>
  outcome?.ok && outcome.cardMib > 0 ? String(outcome.cardMib) : '–';

/** Lines of a phase that compared values. */
function valuesOf(facts: object): string[] {
  const rows = 'rows' in facts ? (facts.rows as Partial<ValueRow>[]) : [];
  return rows.flatMap(({ what, precision, error, limit }) =>
    what !== undefined && error !== undefined && limit !== undefined
      ? [`${what} in ${precision ?? ''}: off by ${error.toExponential(1)} (at most ${limit})`]
      : [],
  );
}
