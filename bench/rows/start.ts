/**
 * @file `npm start` until a browser has the page, on an empty data folder and again on the same folder; and the bot's
 * memory.
 */
import { at } from '../../core/at.ts';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Context, Measured } from '../context.ts';
import { descendants, peakMemory, type RunningProcess } from '../processes.ts';
import { median, type Row } from '../report.ts';

const PATIENCE = 120_000;
/** How long the bot serves before its memory is measured, ms. */
const SERVING = 5_000;

interface Start {
  /** Seconds until page, script and style have loaded. */
  readonly seconds: number;
  /** The bot's memory, bytes. */
  readonly memory: number;
}

export async function measureStart({ model, quick, folder }: Context): Promise<Measured> {
  const first: Start[] = [];
  const later: Start[] = [];
  for (let i = 0; i < (quick ? 1 : 3); i++) {
    const own = await mkdtemp(join(folder, 'start-'));
    first.push(await start(own, model));
    later.push(await start(own, model));
  }
  const row = (which: string, goal: number, starts: readonly Start[], detail: string): Row => {
    const raw = starts.map(({ seconds }) => seconds);
    return {
      what: `First page after \`npm start\`: ${which}`,
      value: median(raw),
      unit: 's',
      goal: { sign: '≤', value: goal },
      detail,
      raw,
      rawUnit: 's',
    };
  };
  const memories = [...first, ...later].map(({ memory }) => memory / 1e6);
  return {
    rows: [
      row(
        'first run',
        15,
        first,
        'no data folder and nothing compiled yet, until page, script and style have loaded',
      ),
      row('later run', 4, later, 'the same data folder'),
      {
        what: 'Memory of the bot',
        value: median(memories),
        unit: 'MB',
        goal: { sign: '<', value: 300 },
        detail: 'largest resident memory of its process in these starts',
        raw: memories,
        rawUnit: 'MB',
      },
    ],
  };
}

async function start(folder: string, model: string): Promise<Start> {
  const port = await freePort();
  // tsx caches compiled code in the folder for temporary files.
  const temporary = join(folder, 'tmp');
  await mkdir(temporary, { recursive: true });
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    KRONA_DATA: join(folder, 'data'),
    KRONA_MODEL: model,
    KRONA_HOST: '127.0.0.1',
    KRONA_PORT: String(port),
    TMPDIR: temporary,
  };
  for (const name of ['KRONA_URL', 'DATABASE_URL', 'REDIS_URL']) delete env[name];
  const began = performance.now();
  const program = spawn('npm', ['start'], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  /** The innermost process of `krona NAME`: the outer ones are npm, a shell and tsx. */
  const find = async (name: string): Promise<number> => {
    const running = await descendants(program.pid!);
    const isIt = ({ words }: RunningProcess) =>
      words.some((word, i) => word === name && at(words, i - 1).endsWith('krona.ts'));
    const found = running.filter(isIt).at(-1);
    if (found === undefined)
      throw new Error(`npm start runs no \`krona ${name}\`, which this benchmark measures`);
    return found.pid;
  };
  try {
    await loadPage(`http://127.0.0.1:${port}/`, began + PATIENCE, () => program.exitCode === null);
    const seconds = (performance.now() - began) / 1000;
    await sleep(SERVING);
    return { seconds, memory: await peakMemory(await find('bot')) };
  } finally {
    if (program.exitCode === null) {
      const ended = once(program, 'exit');
      // Not npm, which would end without passing the signal on.
      process.kill(await find('start'), 'SIGTERM');
      await ended;
    }
  }
}

/** Polls until the page loads, then loads everything that it names, as a browser does. */
async function loadPage(address: string, until: number, runs: () => boolean): Promise<void> {
  for (;;) {
    const page = await fetch(address).catch(() => null);
    if (page?.ok) {
      const html = await page.text();
      const assets = [...html.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map((match) => match[1]!);
      if (assets.length === 0) throw new Error('the first page names no script');
      await Promise.all(assets.map((asset) => load(new URL(asset, address))));
      return;
    }
    await page?.body?.cancel();
    if (!runs()) throw new Error('npm start stopped before it served a page');
    if (performance.now() > until) throw new Error(`no page after ${PATIENCE / 1000} s`);
    await sleep(20);
  }
}

async function load(address: URL): Promise<void> {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address.pathname} answers ${response.status}`);
  await response.arrayBuffer();
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
