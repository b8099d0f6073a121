/** @file Who asks for what in the simulation: the same for every process, by the job's number. */
import { KeyedRandom } from '../../core/random.ts';

export interface Plan {
  readonly jobs: number;
  readonly channels: number;
  /** Jobs a second; null: all at once. */
  readonly perSecond: number | null;
}

/** Every tenth channel asks for five times as much as the others. */
const EAGER = { every: 10, times: 5 };
/** Members of each channel. */
const MEMBERS = 2;
/** A prime. */
const STEP = 7919;

/** The set and job with a number, as a UUID. */
export const jobId = (n: number): string => `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;

export const numberOf = (id: string): number => Number.parseInt(id.slice(-12), 16);

/** Whose the job is. All channels but the eager ones ask for the same number, within one. */
export function ownerOf(n: number, channels: number): { readonly channel: number; readonly member: number } {
  const random = new KeyedRandom(n, 'simulated members');
  const eager = Math.ceil(channels / EAGER.every);
  const places = channels + eager * (EAGER.times - 1);
  // A step without a common divisor mixes the channels.
  const place = (n * STEP) % places;
  const channel = place < channels ? place : ((place - channels) % eager) * EAGER.every;
  return { channel, member: random.integer(MEMBERS) };
}
