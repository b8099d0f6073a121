/** @file Time that processes have used of the processor, by Linux's /proc. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { descendants } from '../processes.ts';

/** Ticks a second of /proc on Linux. */
const TICKS = 100;

/** What a process is in the simulation. */
type Role = 'bot' | 'workers' | 'PostgreSQL' | 'Redis';

/** Seconds of each role's living processes, and of the whole machine. */
export type Processor = Readonly<Record<Role | 'machine', number>>;

function roleOf(words: readonly string[]): Role | null {
  const [program = ''] = words;
  if (/^postgres/.test(basename(program))) return 'PostgreSQL';
  if (basename(program).startsWith('redis-server')) return 'Redis';
  if (words.some((word) => word.endsWith('workers/worker.ts'))) return 'workers';
  return words.some((word) => word.endsWith('workers/bot.ts')) ? 'bot' : null;
}

export async function readProcessor(): Promise<Processor> {
  const seconds = { bot: 0, workers: 0, PostgreSQL: 0, Redis: 0, machine: 0 };
  for (const { pid, words } of await descendants(process.pid)) {
    const role = roleOf(words);
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
    if (role === null || stat === null) continue;
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    seconds[role] += (Number(fields[11]) + Number(fields[12])) / TICKS;
  }
  const [, user, nice, system] = (await readFile('/proc/stat', 'utf8')).split(/\s+/).map(Number);
  seconds.machine = ((user ?? 0) + (nice ?? 0) + (system ?? 0)) / TICKS;
  return seconds;
}
