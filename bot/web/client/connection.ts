/** @file The live connection to the bot: a WebSocket that reconnects, also when it has gone silent. */
import { Backoff } from '../../../core/backoff.ts';
import type { ClientMessage, ServerMessage } from '../protocol.ts';

/** The bot sends something at least every 15 s; longer silence is a dead connection. */
const SILENCE = 35_000;
const PAUSES = { first: 400, longest: 5_000 };

export interface Connection {
  send(message: ClientMessage): void;
  close(): void;
}

export interface ConnectionEvents {
  onMessage(message: ServerMessage): void;
  onUp(): void;
  onDown(): void;
}

export function connect(events: ConnectionEvents): Connection {
  let socket: WebSocket | null = null;
  const backoff = new Backoff(PAUSES);
  let timer: number | undefined;
  let watchdog: number | undefined;
  let closed = false;

  const heard = () => {
    clearTimeout(watchdog);
    watchdog = window.setTimeout(() => socket?.close(), SILENCE);
  };
  const open = () => {
    clearTimeout(timer);
    const address = new URL('/api/live', location.href);
    address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
    const current = new WebSocket(address);
    socket = current;
    current.onopen = () => {
      heard();
      events.onUp();
    };
    current.onmessage = (event: MessageEvent<string>) => {
      heard();
      // A bot that has too many connections opens one and says nothing.
      backoff.reset();
      // Page and bot come from one build; `hello` makes an older page reload.
      events.onMessage(JSON.parse(event.data) as ServerMessage);
    };
    current.onclose = () => {
      if (closed || socket !== current) return;
      clearTimeout(watchdog);
      events.onDown();
      timer = window.setTimeout(open, backoff.next());
    };
  };
  // A phone that wakes up, or a network that is back, need not wait for the next try.
  const hurry = () => {
    if (!closed && document.visibilityState === 'visible' && socket?.readyState === WebSocket.CLOSED) open();
  };
  window.addEventListener('online', hurry);
  document.addEventListener('visibilitychange', hurry);
  open();

  return {
    send(message) {
      if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
    },
    close() {
      closed = true;
      clearTimeout(timer);
      clearTimeout(watchdog);
      window.removeEventListener('online', hurry);
      document.removeEventListener('visibilitychange', hurry);
      socket?.close();
    },
  };
}
