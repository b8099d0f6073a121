/** @file How much memory this machine has for Krona. */
import { totalmem } from 'node:os';

/** Bytes of the machine, or of the container where that is less. */
export function machineMemory(): number {
  const allowed = process.constrainedMemory();
  return allowed > 0 ? Math.min(allowed, totalmem()) : totalmem();
}
