/** @file The cost of switching adapters between requests for pictures. */
import { at } from '../../core/at.ts';
import { copyFile } from 'node:fs/promises';
import type { Context, Measured } from '../context.ts';
import { openPainter } from '../drawing.ts';
import { median, short, type Row } from '../report.ts';

/** Short requests, so that the difference shows. */
const STEPS = 2;

/** Requests in turn: with a new adapter, with the same again, and back to a known one. */
export async function measureSwitching(context: Context): Promise<Measured> {
  const painter = await openPainter(context);
  const { adapter: known } = painter;
  const seconds: Record<'unread' | 'same' | 'back', number[]> = { unread: [], same: [], back: [] };
  const draw = (adapter: string) => painter.draw([{ seed: 1, adapters: [adapter] }], STEPS);
  try {
    for (let i = 0; i < 3; i++) await draw(known);
    for (let i = 0; i < (context.quick ? 4 : 60); i++) {
      const other = known.replace('.safetensors', `-${i}.safetensors`);
      await copyFile(known, other);
      seconds.unread.push(await draw(other));
      seconds.same.push(await draw(other));
      seconds.back.push(await draw(known));
    }
  } finally {
    await painter.close();
  }
  // A request takes 70 to 140 ms by chance, so each is compared with its neighbour.
  const row = (what: string, raw: readonly number[]): Row => ({
    what: `Switching adapters between requests: ${what}`,
    value: 1000 * median(raw.map((value, i) => value - at(seconds.same, i))),
    unit: 'ms more',
    goal: { sign: '<', value: 10 },
    detail: `${short(1000 * median(raw))} ms beside ${short(1000 * median(seconds.same))} ms without switching (one picture, ${STEPS} steps)`,
    raw,
    rawUnit: 's',
  });
  return { rows: [row('back to a known one', seconds.back), row('to one not read before', seconds.unread)] };
}
