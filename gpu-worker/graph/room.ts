/** @file Whether programs fit into the memory of the device, where it is known: that of a card. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Device } from '../../core/config.ts';
import { visibleCard } from '../../core/environment.ts';
import { KronaError } from '../../core/errors.ts';
import { currentMemory } from './device.ts';
import type { GraphMemory } from './peak-memory.ts';

const GIB = 2 ** 30;

/**
 * Bytes that cuDNN's workspaces and the runtime's arena take beside weights and activations: an assumption. On a
 * make-believe card the arena alone took up to 1.8 GiB more, for decoding.
 */
export const OVERHEAD = 1.5 * GIB;

/** Bytes of the device that are free; null where nothing tells them. */
export async function freeMemory(device: Device): Promise<number | null> {
  if (device !== 'cuda') return null;
  const card = visibleCard();
  const query = [
    '--query-gpu=memory.free',
    '--format=csv,noheader,nounits',
    ...(card ? [`--id=${card}`] : []),
  ];
  const answer = await promisify(execFile)('nvidia-smi', query, { timeout: 10_000 }).catch(() => null);
  // The first card is the one in use.
  const mebibytes = Number.parseInt(answer?.stdout ?? '', 10);
  return Number.isNaN(mebibytes) ? null : mebibytes * 2 ** 20;
}

/** Bytes that a program takes. */
const bytesOf = ({ weights, activations }: GraphMemory): number => weights + activations + OVERHEAD;

/** @param resident - bytes of other programs that stay open */
export const fits = (memory: GraphMemory, resident = 0): boolean =>
  bytesOf(memory) + resident <= currentMemory();

/** Whether the device's memory is known, so that it is worth computing what a program takes. */
export const isLimited = (): boolean => currentMemory() !== Number.POSITIVE_INFINITY;

/**
 * The refusal of what can't fit, before minutes of preparing it.
 *
 * @param what - such as "Drawing at 1024×1024"
 * @param remedies - what takes less, with its memory: those that fit are told
 * @returns KronaError DEVICE_TOO_SMALL
 */
export function tooSmall(
  what: string,
  memory: GraphMemory,
  remedies: readonly (readonly [what: string, memory: GraphMemory])[],
): KronaError {
  const fitting = remedies
    .filter(([, less]) => fits(less))
    .map(([remedy, less]) => `${remedy} takes ${gibibytes(bytesOf(less))}`);
  return new KronaError(
    'DEVICE_TOO_SMALL',
    `${what} takes about ${gibibytes(bytesOf(memory))} on the card, which has ${gibibytes(currentMemory())} free. ` +
      (fitting.length > 0 ? `${fitting.join('; ')}.` : 'Set KRONA_DEVICE=cpu, or use a larger card.'),
  );
}

const releasable = new Set<() => Promise<void>>();

/**
 * Registers programs that can be opened again, such as those that draw while a training waits.
 *
 * @returns a function that takes them off the list
 */
export function keepReleasable(release: () => Promise<void>): () => void {
  releasable.add(release);
  return () => void releasable.delete(release);
}

/** Makes room on the device: releases all that can be opened again. Nothing of it may be running. */
export async function makeRoom(): Promise<void> {
  for (const release of releasable) await release();
}

export const gibibytes = (bytes: number): string => `${(bytes / GIB).toFixed(1)} GiB`;
