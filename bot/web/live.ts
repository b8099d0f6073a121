/** @file The live connection of a page: a WebSocket that brings it the lines of the channel that it watches. */
import { upgradeWebSocket } from '@hono/node-server';
import * as v from 'valibot';
import { WebSocket, type WebSocketServer } from 'ws';
import type { Viewer } from './hub.ts';
import type { Identity } from './identity.ts';
import type { ClientMessage } from './protocol.ts';
import { boundedSend, TRY_LATER } from './sockets.ts';
import type { WebGateway } from './web-gateway.ts';

/** Lines that a page gets at once, however many it asks for. */
const LINES_AT_ONCE = 200;
/** The most that a page may ask for. */
const MOST_ASKED = 1_000;
/** Characters of a message of the page. */
const LONGEST_MESSAGE = 1_000;

export interface LiveParts {
  readonly identity: Identity;
  readonly gateway: Pick<WebGateway, 'channels' | 'hub'>;
  readonly sockets: Pick<WebSocketServer, 'clients'>;
  /** Names the page's own files: a page with others reloads itself. */
  readonly bundle: string;
}

const integer = (least: number) => v.pipe(v.number(), v.safeInteger(), v.toMinValue(least));

/** What a page sends, as JSON. */
const WATCH = v.pipe(
  v.string(),
  v.maxLength(LONGEST_MESSAGE),
  v.parseJson(),
  v.object({
    type: v.literal('watch'),
    channelId: v.string(),
    since: integer(0),
    limit: v.pipe(integer(1), v.toMaxValue(MOST_ASKED)),
  }),
);

/** The route's handler. */
export function liveConnection({ identity, gateway: { channels, hub }, sockets, bundle }: LiveParts) {
  return upgradeWebSocket(async (context) => {
    const member = await identity.require(context);
    const moderator = identity.isModerator(context);
    let viewer: Viewer | null = null;
    let watch = (_wanted: ClientMessage): void => {};
    return {
      onOpen: (_event, { raw }) => {
        // It may have been one too many.
        if (!(raw instanceof WebSocket) || raw.readyState !== WebSocket.OPEN) return;
        const current: Viewer = { member, send: boundedSend(raw, sockets.clients) };
        if (!hub.enter(current)) {
          raw.close(TRY_LATER, 'too many pages');
          return;
        }
        viewer = current;
        watch = newestOnly(async ({ channelId, since, limit }) => {
          const channel = await channels.find(channelId).catch(() => null);
          if (channel === null) current.send({ type: 'nowhere', channelId });
          else await hub.watch(current, channel, since, Math.min(limit, LINES_AT_ONCE));
        });
        const { id, name } = member;
        channels.list().then(
          (list) => current.send({ type: 'hello', bundle, me: { id, name }, moderator, channels: list }),
          // As when the database goes away just then: the page tries again.
          () => raw.close(TRY_LATER, 'no answer'),
        );
      },
      onMessage: ({ data }) => {
        const { success, output } = v.safeParse(WATCH, data);
        if (success) watch(output);
      },
      onClose: () => {
        if (viewer !== null) hub.leave(viewer);
      },
    };
  });
}

/** Runs `work` one at a time, and of what is asked in the meantime only the newest. */
function newestOnly<T>(work: (wanted: T) => Promise<void>): (wanted: T) => void {
  let running = false;
  let next: { readonly wanted: T } | null = null;
  const run = async (wanted: T) => {
    running = true;
    await work(wanted).catch(() => undefined);
    running = false;
    const waiting = next;
    next = null;
    if (waiting !== null) void run(waiting.wanted);
  };
  return (wanted) => {
    if (running) next = { wanted };
    else void run(wanted);
  };
}
