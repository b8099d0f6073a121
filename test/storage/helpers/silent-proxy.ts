/** @file A server before another one that can lose its network: connections stay open, and no byte passes any more. */
import { once } from 'node:events';
import { connect, createServer, type NetConnectOpts, type Socket } from 'node:net';

export interface SilentProxy {
  readonly port: number;
  /** Connections of now and new ones pass nothing on. Those of now never do again. */
  cut(): void;
  /** New connections work. */
  heal(): void;
  stop(): Promise<void>;
}

export async function startSilentProxy(target: NetConnectOpts): Promise<SilentProxy> {
  let silent = false;
  const open = new Map<Socket, { cut: boolean }>();
  const server = createServer((client) => {
    const state = { cut: silent };
    open.set(client, state);
    client.on('error', () => {}).on('close', () => open.delete(client));
    if (silent) return void client.resume();
    const other = connect(target);
    other.on('error', () => client.destroy());
    client.on('data', (part) => state.cut || other.write(part));
    other.on('data', (part) => state.cut || client.write(part));
    other.on('close', () => state.cut || client.destroy());
    client.on('close', () => other.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    cut() {
      silent = true;
      for (const state of open.values()) state.cut = true;
    },
    heal: () => void (silent = false),
    async stop() {
      server.close();
      for (const client of open.keys()) client.destroy();
      await once(server, 'close');
    },
  };
}
