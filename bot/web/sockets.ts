/**
 * @file The limits of live connections: how many there can be, how much may wait to be read by the other end, and how long
 * that can be silent, such as a phone out of reach.
 */
import { BlockList } from 'node:net';
import type { WebSocket, WebSocketServer } from 'ws';
import { addressOf } from '../client-address.ts';
import type { ServerMessage } from './protocol.ts';

const PING_EVERY = 30_000;
/** Connections in all, and from one address: an office behind one address has room. */
const MOST_SOCKETS = 1_000;
const MOST_OF_ADDRESS = 250;
/** Bytes that wait for a page to read them: more than a page of lines, and a page that lags so far starts afresh. */
const MOST_WAITING = 4 * 1024 * 1024;
/** Bytes that wait for all pages together. Above it, those for which more than a little waits are let go. */
const MOST_WAITING_IN_ALL = 64 * 1024 * 1024;
const A_LITTLE = 256 * 1024;

/** How long a refused connection has to close, ms. */
const LONGEST_GOODBYE = 1_000;

/** Why a connection is closed (RFC 6455 §7.4.1). */
const RESTARTING = 1001;
export const TRY_LATER = 1013;

/** Sends messages to a page, and lets pages go that do not read. @param all - the server's connections */
export function boundedSend(
  socket: WebSocket,
  all: ReadonlySet<WebSocket>,
): (message: ServerMessage) => void {
  return (message) => {
    const text = JSON.stringify(message);
    if (text.length > A_LITTLE || socket.bufferedAmount > A_LITTLE) keepRoom(all);
    if (isReading(socket)) socket.send(text);
  };
}

/** Ends the connections of pages that lag, when too much waits for all together. */
function keepRoom(sockets: ReadonlySet<WebSocket>): void {
  const lagging = [...sockets].filter(({ bufferedAmount }) => bufferedAmount > A_LITTLE);
  const waiting = lagging.reduce((sum, { bufferedAmount }) => sum + bufferedAmount, 0);
  if (waiting > MOST_WAITING_IN_ALL) for (const socket of lagging) socket.terminate();
}

/** Ends the connection of a page for which too much waits. */
function isReading(socket: WebSocket): boolean {
  if (socket.readyState !== socket.OPEN) return false;
  if (socket.bufferedAmount <= MOST_WAITING) return true;
  socket.terminate();
  return false;
}

/**
 * Watches a server's connections; the returned function closes them all and stops.
 *
 * @param proxies - of which the sender's address is believed
 */
export function watchSockets(server: WebSocketServer, proxies = new BlockList()): () => void {
  const alive = new WeakSet<WebSocket>();
  const open = new Map<WebSocket, string>();
  server.on('connection', (socket, request) => {
    socket.on('error', () => socket.terminate());
    const address = addressOf(request, proxies);
    const ofAddress = [...open.values()].filter((each) => each === address).length;
    if (open.size >= MOST_SOCKETS || ofAddress >= MOST_OF_ADDRESS) {
      socket.close(TRY_LATER, 'too many connections');
      // The other end need not answer.
      setTimeout(() => socket.terminate(), LONGEST_GOODBYE).unref();
      return;
    }
    open.set(socket, address);
    alive.add(socket);
    socket.on('pong', () => alive.add(socket));
    // Each is answered, so a page that only asks makes answers wait.
    socket.on('ping', () => isReading(socket));
    socket.on('close', () => open.delete(socket));
  });
  const timer = setInterval(() => {
    for (const socket of open.keys()) {
      if (!alive.has(socket)) socket.terminate();
      alive.delete(socket);
      socket.ping();
    }
  }, PING_EVERY);
  return () => {
    clearInterval(timer);
    for (const socket of open.keys()) socket.close(RESTARTING, 'restarting');
  };
}
