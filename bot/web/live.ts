/** @file The live connection of a page: a WebSocket that brings it the lines of the channel that it watches. */
import { upgradeWebSocket } from '@hono/node-server';
import * as v from 'valibot';
import type { Member } from '../../core/records.ts';
import type { RecordStore } from '../../storage/records.ts';
import type { Channels } from './channels.ts';
import type { Hub, Viewer } from './hub.ts';
import { requireMember } from './identity.ts';
import type { ServerMessage } from './protocol.ts';

const LINES_AT_ONCE = 1_000;
/** Characters of a message of the page. */
const LONGEST_MESSAGE = 1_000;

export interface LiveParts {
  readonly records: RecordStore;
  readonly channels: Channels;
  readonly hub: Hub;
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
    limit: v.pipe(integer(1), v.toMaxValue(LINES_AT_ONCE)),
  }),
);

/** The route's handler. */
export function liveConnection({ records, channels, hub, bundle }: LiveParts) {
  return upgradeWebSocket(async (context) => {
    const member = await requireMember(context, records);
    let viewer: Viewer | null = null;
    return {
      onOpen: (_event, socket) => {
        const send = (message: ServerMessage) => socket.send(JSON.stringify(message));
        viewer = { member, send };
        hub.enter(viewer);
        void greet(member, send);
      },
      onMessage: ({ data }) => {
        const { success, output } = v.safeParse(WATCH, data);
        if (!success || viewer === null) return;
        const { channelId, since, limit } = output;
        const current = viewer;
        void channels
          .find(channelId)
          .then((channel) => hub.watch(current, channel, since, limit))
          .catch(() => current.send({ type: 'nowhere', channelId }));
      },
      onClose: () => {
        if (viewer !== null) hub.leave(viewer);
      },
    };
  });

  async function greet({ id, name }: Member, send: (message: ServerMessage) => void): Promise<void> {
    send({ type: 'hello', bundle, me: { id, name }, channels: await channels.list() });
  }
}
