/** @file The best rate of the runtime's matrix product on this machine. */
import { at } from '../../core/at.ts';
import { Product } from '../product.ts';
import type { Context, Measured } from '../context.ts';
import { median, type Row } from '../report.ts';

/** Rows, inner, columns. */
const SIZES = [
  [512, 512, 512],
  [768, 768, 768],
  [1024, 1024, 1024],
  [1536, 1536, 1536],
  [4096, 256, 256],
  [2048, 512, 1024],
] as const;

/** Every size with a constant and with a variable right factor; returns the best of their medians. */
export async function measureMatmul({ quick }: Context): Promise<Measured> {
  const shapes = SIZES.flatMap(([rows, inner, columns]) =>
    [true, false].map((constant) => ({ rows, inner, columns, constant })),
  );
  const rates: number[][] = [];
  for (const shape of shapes) {
    const product = await Product.create(shape);
    const samples: number[] = [];
    for (let i = 0; i < (quick ? 3 : 15); i++) samples.push((await product.rate()) / 1e9);
    rates.push(samples);
    await product.release();
  }
  const medians = rates.map(median);
  const best = medians.indexOf(Math.max(...medians));
  const shape = at(shapes, best);
  const { rows, inner, columns, constant } = shape;
  const row: Row = {
    what: 'Best matrix product of the runtime',
    value: at(medians, best),
    unit: 'GF/s',
    goal: null,
    detail: `${rows}×${inner} · ${inner}×${columns}${constant ? ', constant right factor' : ''}`,
    raw: at(rates, best),
    rawUnit: 'GF/s',
  };
  return { rows: [row], reference: { shape, rate: at(medians, best) * 1e9 } };
}
