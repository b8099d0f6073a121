/** @file Steps of a published model at its full size, without a download: seconds of opening and of each run. */
import { compile, type Precision } from '../../gpu-worker/graph/compile.ts';
import { currentDialect } from '../../gpu-worker/graph/device.ts';
import { messageOf } from '../../gpu-worker/graph/errors.ts';
import { countFlops } from '../../gpu-worker/graph/flops.ts';
import { Session } from '../../gpu-worker/graph/runtime.ts';
import type { ModelCard } from '../../core/settings/model-card.ts';
import type { Architecture } from '../../gpu-worker/models/architecture.ts';
import { vaePrecision } from '../../gpu-worker/models/autoencoder.ts';
import type { ModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { largestTensor, publishedModel } from '../../gpu-worker/models/published-model.ts';
import { engineGraph, unetGraph, type Graph } from '../engine-graphs.ts';
import { randomInputs, withRandomWeights } from './random-inputs.ts';

/** Models by the name that members know, with the side that they draw, pixels. */
export const SIZES = {
  sd15: { architecture: 'sd1', side: 512 },
  sdxl: { architecture: 'sdxl', side: 1024 },
} as const satisfies Readonly<Record<string, { readonly architecture: Architecture; readonly side: number }>>;
export type SizeName = keyof typeof SIZES;

export interface SizeRow {
  readonly what: string;
  readonly model: Pick<ModelCard, 'architecture' | 'nativeSize'>;
  readonly work: Work;
  readonly precision: Precision;
  /** Work of one run, 10^12 operations. */
  readonly teraflop: number;
  /** Seconds to open the program, and of each run; null: why it was not run. */
  readonly open: number | null;
  readonly runs: readonly number[];
  readonly problem: string | null;
  /** False if it was tried and failed. */
  readonly ok: boolean;
}

export type Work = 'sampling' | 'training' | 'decoding';

/** A row that would take longer than this for one run is left out, and none is run again after so long; seconds. */
const LONGEST_RUN = 60;
const ENOUGH = 10;

/**
 * The steps of a published model.
 *
 * @param rate - operations per second that the device reached in a product
 * @param onBegin - gets the name of each row as it begins
 */
export async function checkSizes(
  name: SizeName,
  rate: number,
  onBegin: (what: string) => void,
): Promise<SizeRow[]> {
  const { architecture, side } = SIZES[name];
  const bytes = largestTensor(publishedModel(architecture, ''));
  return withRandomWeights(bytes, (path) =>
    checkSteps(publishedModel(architecture, path), side, rate, onBegin),
  );
}

/** How often each step runs, at most; fewer times where a run takes long. */
export type Runs = Readonly<Partial<Record<Work, number>>>;

/** @param count - which steps, and how often each */
export async function checkSteps(
  model: ModelFolder,
  side: number,
  rate: number,
  onBegin: (what: string) => void,
  count: Runs = { sampling: 3, training: 2, decoding: 1 },
): Promise<SizeRow[]> {
  const { drawing, training } = currentDialect();
  const steps: readonly [Work, string, Precision, () => Graph][] = [
    ['sampling', 'sampling step with guidance', drawing, () => unetGraph(model, side, 2)],
    ['training', 'training step', training, () => engineGraph('krona-step', model, side)],
    ['decoding', 'decoding', vaePrecision(model, drawing), () => engineGraph('vae-decoder', model, side)],
  ];
  const rows: SizeRow[] = [];
  for (const [work, step, precision, build] of steps) {
    const runs = count[work];
    if (runs === undefined) continue;
    const what = `${model.name}, ${side}², ${step}`;
    onBegin(what);
    const graph = build();
    const sized = { architecture: model.architecture, nativeSize: side };
    const row = { what, model: sized, work, precision, teraflop: countFlops(graph) / 1e12 };
    rows.push({ ...row, ...(await timed(row, runs, graph, rate)) });
  }
  return rows;
}

async function timed(
  row: Pick<SizeRow, 'precision' | 'teraflop'>,
  count: number,
  graph: Graph,
  rate: number,
): Promise<Pick<SizeRow, 'open' | 'runs' | 'problem' | 'ok'>> {
  const { precision, teraflop } = row;
  const seconds = (teraflop * 1e12) / rate;
  if (seconds > LONGEST_RUN)
    return {
      open: null,
      runs: [],
      problem: `not run: it would take about ${Math.round(seconds)} s`,
      ok: true,
    };
  try {
    const start = performance.now();
    const program = compile(graph, { precision });
    const session = await Session.create(program, { mapWeights: true });
    const open = (performance.now() - start) / 1000;
    const runs: number[] = [];
    try {
      const feeds = randomInputs(program);
      const first = performance.now();
      for (let i = 0; i < count && performance.now() - first < 1000 * ENOUGH; i++) {
        const began = performance.now();
        await session.run(feeds);
        runs.push((performance.now() - began) / 1000);
      }
    } finally {
      await session.release();
    }
    return { open, runs, problem: null, ok: true };
  } catch (error) {
    return { open: null, runs: [], problem: messageOf(error), ok: false };
  }
}
