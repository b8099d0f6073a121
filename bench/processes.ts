/** @file Lists a program's running processes and their memory (Linux's /proc). */
import { readdir, readFile } from 'node:fs/promises';

export interface RunningProcess {
  readonly pid: number;
  readonly words: readonly string[];
}

/** All living descendants of a process, the nearest first. */
export async function descendants(pid: number): Promise<RunningProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const children = new Map<number, number[]>();
  for (const child of pids) {
    const stat = await readFile(`/proc/${child}/stat`, 'utf8').catch(() => null);
    if (stat === null) continue;
    // The name, in brackets, can contain anything; the state and the parent follow.
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    children.set(parent, [...(children.get(parent) ?? []), child]);
  }
  const found: number[] = [];
  const open = [pid];
  for (let next = open.shift(); next !== undefined; next = open.shift()) {
    const own = children.get(next) ?? [];
    found.push(...own);
    open.push(...own);
  }
  return Promise.all(found.map(async (child) => ({ pid: child, words: await words(child) })));
}

async function words(pid: number): Promise<string[]> {
  const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return line.split('\0').filter((word) => word !== '');
}

/** Peak resident memory of the process, bytes. */
export async function peakMemory(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) * 1024;
}
