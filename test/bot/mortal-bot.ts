/** @file The bot as a process of its own, to be killed as by `kill -9` at a chosen moment. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { nodeOptions } from '../../core/own-program.ts';
import type { RecordStore } from '../../storage/records.ts';

export interface MortalBot {
  /** Kills it when it next uses this method of the records, before that has done anything. */
  dieAt(method: keyof RecordStore): void;
  /** Resolves when it has died by that. */
  readonly died: Promise<void>;
}

/** @param environment what the bot reads its configuration from */
export async function startMortalBot(environment: Readonly<Record<string, string>>): Promise<MortalBot> {
  const child = fork(fileURLToPath(new URL('killed-bot.ts', import.meta.url)), {
    execArgv: [...nodeOptions],
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const exited = once(child, 'exit') as Promise<[number | null, string | null]>;
  const died = exited.then(([code, signal]) => {
    if (signal !== 'SIGKILL') throw new Error(`the bot ended by itself with ${code ?? signal}`);
  });
  await Promise.race([once(child, 'message'), died]);
  return { dieAt: (method) => void child.send(method), died };
}
