/** @file The running program with the embedded model, and a browser, for the scripts that make pictures of them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { launchChromium } from '../helpers/chromium.ts';

/** Starts both, and ends them after the work. */
export async function withProgram(work: (browser: Browser, address: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'krona-pictures-'));
  const program = spawn(process.execPath, ['bin/krona.js', 'start', '--json'], {
    env: { ...process.env, KRONA_DATA: folder, KRONA_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(program, 'exit');
  const browser = await launchChromium();
  try {
    const [line] = (await Promise.race([
      once(program.stdout, 'data'),
      ended.then(() => Promise.reject(new Error('krona start stopped before it told its address'))),
    ])) as [Buffer];
    const { address } = JSON.parse(line.toString()) as { address: string };
    await work(browser, address);
  } finally {
    await browser.close();
    program.kill('SIGTERM');
    await ended;
    await rm(folder, { recursive: true, force: true });
  }
}
