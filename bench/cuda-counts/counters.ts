/** @file What the make-believe card counts, in the order of card.cpp. */
import { readFileSync } from 'node:fs';

const NAMES = [
  'kernels',
  'products',
  'convolutions',
  'up',
  'upBytes',
  'down',
  'downBytes',
  'waits',
  'used',
  'peak',
] as const;

/** Bytes of the file that CARD_COUNTS names. */
export const COUNTERS_BYTES = 8 * NAMES.length;

export type Counts = Readonly<Record<(typeof NAMES)[number], number>>;

export function readCounts(path: string): Counts {
  const bytes = readFileSync(path);
  const entries = NAMES.map((name, i) => [name, Number(bytes.readBigInt64LE(8 * i))] as const);
  return Object.fromEntries(entries) as Counts;
}
