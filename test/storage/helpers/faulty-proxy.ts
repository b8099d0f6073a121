/** @file A server between a client and another server that refuses requests and breaks connections, as it is told. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { Readable, Writable } from 'node:stream';

export type Fault =
  /** Answers by itself, as S3 does. */
  | { readonly status: number; readonly code: string }
  /** Breaks the connection after so many bytes of the request's body have come. */
  | { readonly cutRequestAfter: number }
  /** Breaks it after so many bytes of the answer's body. */
  | { readonly cutAnswerAfter: number }
  /** Does what was asked, and breaks the connection in place of the answer. */
  | { readonly loseAnswer: true };

export interface FaultyProxy {
  readonly url: string;
  /** All requests since the start, such as `PUT /bucket/name`. */
  readonly seen: readonly string[];
  /** Requests whose line fits meet a fault, the first `times` of them. */
  fail(fits: RegExp, fault: Fault, times?: number): void;
  /** No more faults. */
  heal(): void;
  stop(): Promise<void>;
}

export async function startFaultyProxy(target: string): Promise<FaultyProxy> {
  const seen: string[] = [];
  let faults: { fits: RegExp; fault: Fault; left: number }[] = [];
  const server = createServer((incoming, answer) => {
    const line = `${incoming.method} ${incoming.url}`;
    seen.push(line);
    const next = faults.find(({ fits, left }) => left > 0 && fits.test(line));
    if (next !== undefined) next.left -= 1;
    serve(target, incoming, answer, next?.fault ?? null);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    seen,
    fail: (fits, fault, times = Infinity) => void faults.push({ fits, fault, left: times }),
    heal: () => void (faults = []),
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function serve(target: string, incoming: IncomingMessage, answer: ServerResponse, fault: Fault | null): void {
  const cut = (): void => void answer.destroy();
  if (fault !== null && 'status' in fault) {
    incoming.resume();
    answer.writeHead(fault.status, { 'content-type': 'application/xml' });
    answer.end(`<?xml version="1.0"?><Error><Code>${fault.code}</Code><Message>told so</Message></Error>`);
    return;
  }
  const { expect: _, ...headers } = incoming.headers;
  const outgoing = request(new URL(incoming.url ?? '/', target), { method: incoming.method, headers });
  outgoing.on('error', cut);
  outgoing.on('response', (response) => {
    if (fault !== null && 'loseAnswer' in fault) return cut();
    answer.writeHead(response.statusCode ?? 502, response.headers);
    response.on('error', cut);
    pass(response, answer, fault !== null && 'cutAnswerAfter' in fault ? fault.cutAnswerAfter : null, cut);
  });
  incoming.on('error', () => outgoing.destroy());
  pass(
    incoming,
    outgoing,
    fault !== null && 'cutRequestAfter' in fault ? fault.cutRequestAfter : null,
    () => {
      cut();
      outgoing.destroy();
    },
  );
}

/** Passes bytes on; `cut` when more than `most` have come. */
function pass(from: Readable, to: Writable, most: number | null, cut: () => void): void {
  let passed = 0;
  from.on('data', (part: Buffer) => {
    passed += part.length;
    if (most !== null && passed > most) cut();
  });
  from.pipe(to);
}
