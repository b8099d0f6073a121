/**
 * @file The bot's HTTP server: security headers, which requests it accepts, signed files, and errors. The web chat's page
 * and interface, and Slack's events, are mounted on it.
 */
import type { IncomingMessage, Server } from 'node:http';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { hostname } from 'node:os';
import { serve, type WebSocketServerLike } from '@hono/node-server';
import { type Context, Hono, type MiddlewareHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { secureHeaders } from 'hono/secure-headers';
import type { BlobStore } from '../storage/blobs/contract.ts';
import type { Config } from '../core/config.ts';
import { describeError, KronaError } from '../core/errors.ts';
import { brokenOff } from './broken-off.ts';
import { isFromProxy } from './client-address.ts';
import { Downloads } from './downloads.ts';
import { serveFile } from './files.ts';
import { htmlPage } from './html-page.ts';
import type { Log } from '../core/log.ts';
import { errorsTotal } from '../core/metrics.ts';

type Status = 400 | 401 | 403 | 404 | 409 | 413 | 429 | 500 | 503 | 507;

/** Status of some errors; every other KronaError is 400. */
const STATUS: Readonly<Record<string, Status>> = {
  NAME_NEEDED: 401,
  ACCESS_NEEDED: 401,
  API_TOKEN_INVALID: 401,
  ACCESS_KEY_WRONG: 401,
  BLOCKED: 403,
  NOT_ALLOWED: 403,
  PROXY_UNKNOWN: 403,
  SLACK_INSTALL_LINK: 403,
  SLACK_STATE: 403,
  LINK_INVALID: 403,
  LINK_EXPIRED: 403,
  FOREIGN_REQUEST: 403,
  BLOB_NOT_FOUND: 404,
  CHANNEL_UNKNOWN: 404,
  WORK_UNKNOWN: 404,
  PICTURE_GONE: 404,
  UPLOAD_GONE: 409,
  LINE_ID_TAKEN: 409,
  NAME_TAKEN: 409,
  ATTACHMENT_TOO_LARGE: 413,
  REQUEST_TOO_LARGE: 413,
  TOO_FAST: 429,
  QUOTA_EXCEEDED: 429,
  TOO_MANY_DOWNLOADS: 429,
  UPLOADS_FULL: 429,
  STOPPING: 503,
  DATABASE_UNAVAILABLE: 503,
  DATABASE_BUSY: 503,
  DATABASE_READ_ONLY: 503,
  DATABASE_CONFLICT: 503,
  REDIS_UNAVAILABLE: 503,
  BLOBS_UNREACHABLE: 503,
  DISK_FULL: 507,
};

/** With these, a body is refused before its end. */
const UNREAD: readonly Status[] = [413, 507];

/**
 * Creates the server's routes for signed files; gateways add theirs.
 *
 * @param filesFrom - another origin that files come from (originOfFiles)
 */
export function createHttp(config: Config, blobs: BlobStore, log: Log, filesFrom: string | null): Hono {
  const app = new Hono();
  app.use(
    secureHeaders({
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        // Previews of pictures that are being drawn stand in their cards.
        imgSrc: ["'self'", 'blob:', 'data:', ...(filesFrom === null ? [] : [filesFrom])],
        connectSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
      },
      referrerPolicy: 'no-referrer',
      xFrameOptions: 'DENY',
    }),
  );
  app.use(ownRequestsOnly(config));
  const downloads = new Downloads();
  app.get('/blobs/*', (context) => serveFile(context, blobs, config, downloads));
  app.notFound((context) => errorAnswer(context, 404, 'NOT_FOUND', 'There is no page at this address.'));
  app.onError((thrown, context) => {
    const error = thrown instanceof HTTPException ? requestError(thrown) : unlessBrokenOff(context, thrown);
    const { code, message } = describeError(error);
    errorsTotal.inc({ part: 'http', code });
    if (error instanceof KronaError) {
      const status = STATUS[code] ?? 400;
      // The rest of the body stays unread, so nothing can follow it.
      if (UNREAD.includes(status)) context.header('connection', 'close');
      return errorAnswer(context, status, code, message);
    }
    log.error({ error, path: context.req.path }, 'request failed');
    return errorAnswer(
      context,
      500,
      code,
      'Krona could not answer this request. The log says why. Try again.',
    );
  });
  return app;
}

/** A fault that comes of a request that ended in its middle is the sender's. */
function unlessBrokenOff(context: Context, thrown: Error): Error {
  const { incoming } = context.env as { readonly incoming?: IncomingMessage };
  if (incoming === undefined || incoming.complete || !incoming.destroyed) return thrown;
  return brokenOff(thrown);
}

/** What Hono finds wrong with a request before a route sees it. */
function requestError({ status, cause }: HTTPException): KronaError {
  return status === 413
    ? new KronaError('REQUEST_TOO_LARGE', 'The request is too large. Send less at once.', { cause })
    : new KronaError('REQUEST_INVALID', 'Invalid request: expected JSON.', { cause });
}

/** JSON for the page's own requests, a small page for a person who followed a link. */
function errorAnswer(context: Context, status: Status, code: string, message: string) {
  if (context.req.path.startsWith('/api/')) return context.json({ error: { code, message } }, status);
  return context.html(htmlPage('Something went wrong', message), status);
}

/**
 * Refuses what another site makes a member's browser send: requests to a host name that is not Krona's (which its owner
 * points to this machine) and changes that begin on another site. Where a key is needed, the host name is free, as a
 * proxy may not pass it on: a browser sends no cookie to a name that is not Krona's, and without one nobody is let in.
 */
function ownRequestsOnly({ host, publicUrl, webAccess }: Config): MiddlewareHandler {
  const named = new Set(['localhost', hostname().toLowerCase(), host.toLowerCase()]);
  if (publicUrl !== null) named.add(new URL(publicUrl).hostname);
  const publicOrigin = publicUrl === null ? null : new URL(publicUrl).origin;
  return async (context, next) => {
    const { incoming } = context.env as { readonly incoming: IncomingMessage };
    const { hostname: host, host: authority } = new URL(context.req.url);
    const proxied = isFromProxy(incoming, webAccess.trustedProxies);
    if (webAccess.local && FORWARDED.some((name) => context.req.header(name) !== undefined))
      throw new KronaError(
        'PROXY_UNKNOWN',
        'This request came through a proxy, but Krona is set up only for this machine. Set KRONA_URL to the address that members open.',
      );
    const hostIsFree = proxied || webAccess.keyNeeded || isIP(host.replace(/^\[|\]$/g, '')) !== 0;
    if (!hostIsFree && !named.has(host))
      throw new KronaError(
        'FOREIGN_REQUEST',
        `Krona does not answer requests to ${host}. If that is its address, set KRONA_URL to it. If a proxy sends it, set KRONA_TRUSTED_PROXIES to the proxy’s address.`,
      );
    const origin = context.req.header('origin');
    const changes = context.req.method !== 'GET' && context.req.method !== 'HEAD';
    const live = context.req.header('upgrade') !== undefined;
    // Each proxy on the way can add its own.
    const told = proxied ? (context.req.header('x-forwarded-host') ?? '').split(',') : [];
    if ((changes || live) && origin !== undefined && !isOwn(origin, publicOrigin, [authority, ...told]))
      throw new KronaError('FOREIGN_REQUEST', 'This request came from another site. Open the chat itself.');
    await next();
  };
}

/** Headers of a proxy. */
const FORWARDED = [
  'forwarded',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-real-ip',
];

/** Whether an origin is the public one, or at one of the hosts, each with a port unless it is the usual one. */
function isOwn(given: string, publicOrigin: string | null, hosts: readonly string[]): boolean {
  if (!URL.canParse(given)) return false;
  const { origin, protocol, host } = new URL(given);
  if (origin === publicOrigin) return true;
  return hosts.some((each) => {
    const other = `${protocol}//${each.trim()}`;
    return URL.canParse(other) && new URL(other).host === host;
  });
}

type OnUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** Answers requests for other protocols than WebSocket, which would stay open without an answer. */
function refuseOtherUpgrades(server: Pick<Server, 'listeners' | 'removeAllListeners' | 'on'>): void {
  const [open] = server.listeners('upgrade') as OnUpgrade[];
  server.removeAllListeners('upgrade');
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (request.headers.upgrade?.toLowerCase() === 'websocket') return open?.(request, socket, head);
    socket.on('error', () => socket.destroy());
    socket.end('HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: close\r\n\r\n');
  });
}

export interface HttpServer {
  /** The address that a browser on this machine opens. */
  readonly address: string;
  /** The port that it listens on. */
  readonly port: number;
  close(): Promise<void>;
}

/** Starts listening. @throws KronaError KRONA_PORT_TAKEN, KRONA_HOST_INVALID */
export async function listen(
  app: Hono,
  config: Config,
  websockets: WebSocketServerLike,
): Promise<HttpServer> {
  const { server, port } = await new Promise<{ server: ReturnType<typeof serve>; port: number }>(
    (resolve, reject) => {
      const starting = serve(
        { fetch: app.fetch, hostname: config.host, port: config.port, websocket: { server: websockets } },
        (info) => resolve({ server: starting, port: info.port }),
      );
      starting.once('error', (cause: NodeJS.ErrnoException) => {
        reject(
          cause.code === 'EADDRINUSE'
            ? new KronaError(
                'KRONA_PORT_TAKEN',
                `Port ${config.port} is in use by another program. Set KRONA_PORT to a free one, or to 0 for any.`,
                { cause },
              )
            : new KronaError(
                'KRONA_HOST_INVALID',
                `Krona can't listen on ${config.host}:${config.port}. Check KRONA_HOST.`,
                {
                  cause,
                },
              ),
        );
      });
    },
  );
  refuseOtherUpgrades(server as Server);
  const loopback = ['127.0.0.1', '0.0.0.0', '::', '::1'].includes(config.host);
  return {
    address: config.publicUrl ?? `http://${loopback ? 'localhost' : config.host}:${port}`,
    port,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        // Connections kept open between requests would hold the process.
        if ('closeAllConnections' in server) server.closeAllConnections();
      }),
  };
}
