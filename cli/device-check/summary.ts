/** @file What is kept of a report for those who ask how long a picture takes. */
import { groupBy } from '../../core/group.ts';
import { speedKey, type DeviceCheck, type Speed } from '../../core/settings/computer.ts';
import type { SizeRow, Work } from './check-sizes.ts';
import type { Report } from './report.ts';

export function summaryOf(report: Report, ok: boolean): DeviceCheck {
  const { device, cards, processor, krona, onnxruntime, sizes, teraflops } = report;
  const byModel = groupBy(sizes, ({ model }) => speedKey(model));
  const speeds = [...byModel].flatMap(([key, rows]) => {
    const speed = speedOf(rows, teraflops);
    return speed ? [[key, speed] as const] : [];
  });
  return {
    at: new Date().toISOString(),
    device,
    hardware: (device === 'cpu' ? undefined : cards[0]?.name) ?? processor,
    krona,
    onnxruntime,
    ok,
    speeds: Object.fromEntries(speeds),
  };
}

/** @returns null if sampling or decoding failed */
function speedOf(rows: readonly SizeRow[], teraflops: number): Speed | null {
  const seconds = (wanted: Work): number | null => {
    const row = rows.find(({ work }) => work === wanted);
    if (!row?.ok) return null;
    // The first run also fills caches.
    return row.open === null ? row.teraflop / teraflops : Math.min(...row.runs);
  };
  const [step, decoding] = [seconds('sampling'), seconds('decoding')];
  if (step === null || decoding === null) return null;
  const measured = rows.every(({ work, open }) => work === 'training' || open !== null);
  return { step, decoding, training: seconds('training'), basis: measured ? 'measured' : 'computed' };
}
