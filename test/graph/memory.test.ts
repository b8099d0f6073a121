/** @file Activation checkpointing lowers the memory that a backward pass takes, measured on the whole process. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import '../helpers/allclose.ts';
import { nodeOptions } from '../../core/own-program.ts';

interface Taken {
  /** MiB at the highest point of the run, above what the process held before it. */
  readonly growth: number;
  readonly norms: readonly number[];
}

async function run(mode: 'checkpoint' | 'keep'): Promise<Taken> {
  const child = join(import.meta.dirname, 'memory-child.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [...nodeOptions, child, mode]);
  return JSON.parse(stdout) as Taken;
}

describe('activation checkpointing', () => {
  // The peak of a process is read from /proc, which only Linux has.
  it.skipIf(!existsSync('/proc/self/status'))(
    'takes less than 60% of the memory of a chain of 12 layers, for the same gradients',
    async () => {
      const kept = await run('keep');
      const recomputed = await run('checkpoint');
      expect(recomputed.norms).toBeAllclose(kept.norms, { absolute: 1e-7, relative: 1e-6 });
      expect(kept.growth).toBeGreaterThan(100); // or there was nothing to save
      expect(recomputed.growth).toBeLessThan(0.6 * kept.growth);
    },
  );
});
