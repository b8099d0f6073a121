/** @file Reads the runtime's profile of a session: the time of each operator in each run. */
import { readdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Operators that multiply matrices, as the runtime names them after its own fusions. */
const PRODUCTS = new Set([
  'Conv',
  'FusedConv',
  'ConvTranspose',
  'MatMul',
  'FusedMatMul',
  'Gemm',
  'FusedGemm',
  'MultiHeadAttention',
]);

interface ProfileEvent {
  readonly cat: string;
  readonly name: string;
  /** Microseconds. */
  readonly ts: number;
  readonly dur: number;
  readonly args?: { readonly op_name?: string };
}

export interface ProfiledRun {
  /** Time in convolutions and matrix products, seconds. */
  readonly products: number;
  /** Time in operators of each name, seconds. */
  readonly operators: Readonly<Record<string, number>>;
}

/** The runs of the session with this profile prefix, in order; deletes the file. */
export async function readProfile(prefix: string): Promise<ProfiledRun[]> {
  const names = await readdir(dirname(prefix));
  const name = names.find((file) => file.startsWith(basename(prefix)));
  if (name === undefined) throw new Error(`the runtime wrote no profile at ${basename(prefix)}*`);
  const path = join(dirname(prefix), name);
  const events = JSON.parse(await readFile(path, 'utf8')) as ProfileEvent[];
  await rm(path);
  const kernels = events.filter(({ cat, name }) => cat === 'Node' && name.endsWith('_kernel_time'));
  return events
    .filter(({ name }) => name === 'model_run')
    .map((run) => {
      const operators: Record<string, number> = {};
      for (const { ts, dur, args } of kernels) {
        if (ts < run.ts || ts > run.ts + run.dur) continue;
        const operator = args?.op_name ?? '';
        operators[operator] = (operators[operator] ?? 0) + dur / 1e6;
      }
      const products = Object.entries(operators).reduce(
        (sum, [operator, seconds]) => (PRODUCTS.has(operator) ? sum + seconds : sum),
        0,
      );
      return { products, operators };
    });
}
