/** @file The test's end of the fake Discord: starts the process and calls its operations. */
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import type { DiscordConfig } from '../../../core/config.ts';
import { bundled } from '../../helpers/bundled.ts';
import type { Operations } from './process.ts';

type Remote = {
  readonly [Name in keyof Operations]: (
    ...given: Parameters<Operations[Name]>
  ) => Promise<Awaited<ReturnType<Operations[Name]>>>;
};

export interface FakeDiscord extends Remote {
  /** How a bot finds it. */
  config(): Promise<DiscordConfig>;
  stop(): Promise<void>;
}

interface Answer {
  readonly call: number;
  readonly result?: unknown;
  readonly error?: string;
}

export async function startFakeDiscord(): Promise<FakeDiscord> {
  const child: ChildProcess = fork(bundled(join(import.meta.dirname, 'process.ts')), {
    execArgv: [],
    serialization: 'advanced',
  });
  const open = new Map<number, (answer: Answer) => void>();
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the fake Discord ended with ${code}`)));
    child.on('message', (message: Answer | { ready: true }) => {
      if ('ready' in message) resolve();
      else open.get(message.call)?.(message);
    });
  });
  let calls = 0;
  const call = async (name: string, given: unknown[]): Promise<unknown> => {
    const id = ++calls;
    const answered = new Promise<Answer>((resolve) => open.set(id, resolve));
    child.send({ call: id, name, given });
    const { result, error } = await answered;
    open.delete(id);
    if (error !== undefined) throw new Error(error);
    return result;
  };
  const own = {
    async config(): Promise<DiscordConfig> {
      const { api, token } = (await call('about', [])) as { api: string; token: string };
      return { token, api, shards: null };
    },
    stop: () =>
      new Promise<void>((resolve) => {
        child.once('exit', () => resolve());
        child.disconnect();
      }),
  };
  return new Proxy(own as unknown as FakeDiscord, {
    get: (target, name): unknown =>
      Reflect.get(target, name) ??
      // A promise's `then` is asked for by whoever awaits the object itself.
      (name === 'then' ? undefined : (...given: unknown[]) => call(String(name), given)),
  });
}
