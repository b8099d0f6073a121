/**
 * @file What monitoring asks a process: `/healthz` (it is alive), `/readyz` (what it needs works), `/metrics` (Prometheus).
 * It has a port of its own, on this machine by default, so that members never reach it.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { collectDefaultMetrics } from 'prom-client';
import type { StatusAddress } from '../core/config.ts';
import { KronaError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { registry } from '../core/metrics.ts';
import { askOnce, inTime, runChecks, type Check } from './readiness.ts';

/** A client that is silent for so long, or takes so long to ask, is disconnected, ms. Answers take less. */
const PATIENCE = 15_000;
/** Clients at once. */
const MOST_CLIENTS = 100;

export interface StatusParts {
  /** By name, as /readyz lists them. */
  readonly checks: Readonly<Record<string, Check>>;
  /** Brings gauges up to date, before each answer of /metrics. */
  readonly collect: () => Promise<void>;
  readonly log: Log;
}

export interface StatusServer {
  readonly address: string;
  close(): Promise<void>;
}

/** Starts listening. @throws KronaError KRONA_STATUS_PORT_TAKEN */
export async function serveStatus(
  { host, port }: StatusAddress,
  { checks, collect, log }: StatusParts,
): Promise<StatusServer> {
  // Once a process: Node's own figures.
  if (!registry.getSingleMetric('process_start_time_seconds')) collectDefaultMetrics({ register: registry });
  const answers: Readonly<Record<string, (query: URLSearchParams, response: ServerResponse) => unknown>> = {
    '/healthz': (_query, response) => answer(response, 200, 'text/plain; charset=utf-8', 'ok\n'),
    async '/readyz'(query, response) {
      const without = query.getAll('without');
      const asked = Object.entries(checks).filter(([name]) => !without.includes(name));
      const results = await runChecks(Object.fromEntries(asked));
      const ready = results.every(({ state }) => state === 'ok');
      const parts = Object.fromEntries(results.map(({ name, state }) => [name, state]));
      answer(response, ready ? 200 : 503, 'application/json', `${JSON.stringify({ ready, parts })}\n`);
    },
    async '/metrics'(_query, response) {
      await runChecks(checks);
      // The figures of before are better than none.
      await inTime(askOnce(collect)).catch((error: unknown) => {
        log.warn({ error }, 'could not read figures for monitoring');
      });
      answer(response, 200, registry.contentType, await registry.metrics());
    },
  };
  const server = createServer({ requestTimeout: PATIENCE, headersTimeout: PATIENCE }, (request, response) => {
    // Not every path makes an address: “//” has no host.
    const [pathname = '', query = ''] = (request.url ?? '').split('?', 2);
    const reply = Object.hasOwn(answers, pathname) ? answers[pathname] : undefined;
    if (reply === undefined || !isRead(request))
      return answer(response, 404, 'text/plain; charset=utf-8', 'Ask for /healthz, /readyz or /metrics.\n');
    void Promise.resolve(reply(new URLSearchParams(query), response)).catch((error: unknown) => {
      log.warn({ error }, `could not answer ${pathname}`);
      answer(response, 500, 'text/plain; charset=utf-8', 'Krona could not answer. The log says why.\n');
    });
  });
  server.maxConnections = MOST_CLIENTS;
  server.setTimeout(PATIENCE);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(taken(host, port, cause)));
    server.listen(port, host, resolve);
  });
  server.on('error', (error) => log.warn({ error }, 'a request of monitoring failed'));
  const bound = server.address() as AddressInfo;
  return {
    address: `http://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const isRead = ({ method }: IncomingMessage): boolean => method === 'GET' || method === 'HEAD';

function answer(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    'content-type': type,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(body);
}

const taken = (host: string, port: number, cause: unknown): KronaError =>
  new KronaError(
    'KRONA_STATUS_PORT_TAKEN',
    `Krona can't listen on ${host}:${port} for monitoring. Set KRONA_STATUS_PORT to a free port, and check KRONA_STATUS_HOST.`,
    { cause },
  );
