/** @file Runs the krona program for tests: in this process, or in one of its own as a person does. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { nodeOptions } from '../../core/own-program.ts';
import { run } from '../../cli/program.ts';

export const ROOT = join(import.meta.dirname, '../..');
/** The tiny SDXL of the fixtures. */
export const TINY = join(ROOT, 'test/fixtures/sdxl-tiny/model');

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export async function krona(...words: string[]): Promise<Ended> {
  const text = { stdout: '', stderr: '' };
  const code = await run(
    words,
    { write: (chunk) => (text.stdout += chunk) },
    { write: (chunk) => (text.stderr += chunk) },
  );
  return { code, ...text };
}

/** @param onOutput sees what came so far, and may signal the process */
export function kronaProcess(
  words: readonly string[],
  onOutput?: (soFar: { stdout: string; stderr: string }, kill: (signal: NodeJS.Signals) => void) => void,
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [...nodeOptions, join(ROOT, 'cli/krona.ts'), ...words], {
    cwd: ROOT,
    env: { ...process.env, ...env },
  });
  const soFar = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      soFar[name] += text;
      onOutput?.(soFar, (signal) => child.kill(signal));
    });
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', (code) => resolve({ code, ...soFar }));
  });
}
