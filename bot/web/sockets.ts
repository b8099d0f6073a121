/** @file Finds and closes live connections of which the other end is gone, such as a phone out of reach. */
import type { WebSocket, WebSocketServer } from 'ws';

const PING_EVERY = 30_000;

/** Watches a server's connections; the returned function closes them all and stops. */
export function watchSockets(server: WebSocketServer): () => void {
  const alive = new WeakSet<WebSocket>();
  const open = new Set<WebSocket>();
  server.on('connection', (socket) => {
    open.add(socket);
    alive.add(socket);
    socket.on('pong', () => alive.add(socket));
    socket.on('error', () => socket.terminate());
    socket.on('close', () => open.delete(socket));
  });
  const timer = setInterval(() => {
    for (const socket of open) {
      if (!alive.has(socket)) socket.terminate();
      alive.delete(socket);
      socket.ping();
    }
  }, PING_EVERY);
  return () => {
    clearInterval(timer);
    for (const socket of open) socket.close(1001, 'restarting');
  };
}
