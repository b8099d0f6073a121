/**
 * @file A set of four pictures with an adapter, as a channel requests it: the first after the start, and later ones.
 */
import type { Context, Measured } from '../context.ts';
import { openPainter } from '../drawing.ts';
import { median, type Row } from '../report.ts';

const COUNT = 4;
const STEPS = 20;

export async function measurePictures(context: Context): Promise<Measured> {
  const painter = await openPainter(context);
  const { adapter } = painter;
  const seconds: number[] = [];
  try {
    for (let set = 0; set < (context.quick ? 2 : 6); set++) {
      const pictures = Array.from({ length: COUNT }, (_, i) => ({
        seed: COUNT * set + i,
        adapters: [adapter],
      }));
      seconds.push(await painter.draw(pictures, STEPS));
    }
  } finally {
    await painter.close();
  }
  const row = (which: string, raw: readonly number[], detail: string): Row => ({
    what: `A set of ${COUNT} pictures, ${STEPS} steps: ${which}`,
    value: median(raw),
    unit: 's',
    goal: { sign: '≤', value: 6 },
    detail,
    raw,
    rawUnit: 's',
  });
  const [first, ...later] = seconds;
  return {
    rows: [
      row(
        'first',
        [first!],
        'with guidance and an adapter, from request to PNG; compiles and loads the models',
      ),
      row('repeated', later, 'the same with other seeds'),
    ],
  };
}
