/**
 * @file Speaks PostgreSQL's wire protocol for one PGlite session, so that several processes can use it through
 * ordinary `pg` clients. (PostgreSQL 18 manual, chapter 54, "Frontend/Backend Protocol".)
 *
 * All clients share the one session, so what may not be torn apart is run without a gap: everything a client
 * sends up to a Sync or a simple Query is one unit, and from BEGIN to COMMIT only the client that began is
 * served. (pglite-socket 0.2.17 interleaves single messages instead: a large parameter of one client, or two
 * clients waiting behind a transaction, and a query gets another's parameters.) Notifications reach every
 * client. COPY and cursors fetched by Flush are not served; Krona uses neither.
 */
import type { PGlite } from '@electric-sql/pglite';
import { createServer, type Socket } from 'node:net';

/** A client silent for this long inside a transaction is cut off, as everybody else waits for it; ms. */
const IDLE_IN_TRANSACTION = 15_000;

const SSL_REQUEST = 80877103;
const GSS_REQUEST = 80877104;
const CANCEL_REQUEST = 80877102;

const QUERY = 'Q'.charCodeAt(0);
const SYNC = 'S'.charCodeAt(0);
const TERMINATE = 'X'.charCodeAt(0);
const NOTIFICATION = 'A'.charCodeAt(0);

interface Client {
  readonly socket: Socket;
  /** Bytes of a message that has not arrived whole. */
  rest: Buffer;
  /** Whole messages since the last Sync. */
  unit: Buffer[];
  /** The start-up packet was taken: from here messages carry a type byte. */
  started: boolean;
  /** The start-up packet was answered: from here notifications may come. */
  greeted: boolean;
}

/**
 * Serves `database` on a Unix socket until `close` is called, which ends all connections but not the database.
 *
 * @throws the error of node:net when the path cannot be listened on.
 */
export async function serveDatabase(
  database: PGlite,
  path: string,
  idleInTransaction = IDLE_IN_TRANSACTION,
): Promise<{ close(): Promise<void> }> {
  const clients = new Set<Client>();
  const waiting: { readonly client: Client; readonly bytes: Buffer }[] = [];
  /** The client whose transaction is open. */
  let owner: Client | null = null;
  let idle: NodeJS.Timeout | undefined;
  let pumping: Promise<void> | null = null;

  const pump = (): void => {
    pumping ??= serveWaiting().finally(() => {
      pumping = null;
    });
  };

  const serveWaiting = async (): Promise<void> => {
    for (;;) {
      if (owner !== null && !clients.has(owner)) {
        await database.exec('ROLLBACK');
        owner = null;
      }
      const next = waiting.findIndex((unit) => owner === null || unit.client === owner);
      if (next < 0) break;
      const { client, bytes } = waiting.splice(next, 1)[0]!;
      try {
        const answer = await database.runExclusive(() => database.execProtocolRaw(bytes));
        deliver(client, Buffer.from(answer));
      } catch (error) {
        client.socket.destroy(error as Error);
      }
      owner = database.isInTransaction() ? client : null;
      clearTimeout(idle);
      if (owner !== null) idle = setTimeout(() => client.socket.destroy(), idleInTransaction).unref();
    }
  };

  /** Sends the answer to its client, and the notifications among it to everybody. */
  const deliver = (client: Client, answer: Buffer): void => {
    const own: Buffer[] = [];
    for (let at = 0; at < answer.length;) {
      const end = at + 1 + answer.readUInt32BE(at + 1);
      const message = answer.subarray(at, end);
      if (answer[at] === NOTIFICATION) {
        for (const listener of clients) if (listener.greeted) listener.socket.write(message);
      } else own.push(message);
      at = end;
    }
    client.greeted = true;
    if (own.length > 0 && client.socket.writable) client.socket.write(Buffer.concat(own));
  };

  const receive = (client: Client, chunk: Buffer): void => {
    client.rest = client.rest.length === 0 ? chunk : Buffer.concat([client.rest, chunk]);
    for (let message = takeMessage(client); message !== null; message = takeMessage(client)) {
      if (!client.started) {
        const request = message.readUInt32BE(4);
        if (request === CANCEL_REQUEST) client.socket.end();
        else if (request === SSL_REQUEST || request === GSS_REQUEST) client.socket.write('N');
        else {
          client.started = true;
          waiting.push({ client, bytes: message });
        }
      } else if (message[0] === TERMINATE) {
        client.socket.end();
      } else {
        client.unit.push(message);
        if (message[0] === SYNC || message[0] === QUERY) {
          waiting.push({ client, bytes: Buffer.concat(client.unit) });
          client.unit = [];
        }
      }
    }
    pump();
  };

  const forget = (client: Client): void => {
    clients.delete(client);
    for (let at = waiting.length; at-- > 0;) if (waiting[at]!.client === client) waiting.splice(at, 1);
    pump();
  };

  const server = createServer((socket) => {
    const client: Client = { socket, rest: Buffer.alloc(0), unit: [], started: false, greeted: false };
    clients.add(client);
    socket.on('data', (chunk) => receive(client, chunk));
    // A client that dies is no fault of ours; 'close' follows and rolls its transaction back.
    socket.on('error', () => {});
    socket.on('close', () => forget(client));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });

  return {
    async close() {
      clearTimeout(idle);
      const closed = new Promise((resolve) => server.close(resolve));
      for (const { socket } of clients) socket.destroy();
      await closed;
      await pumping;
    },
  };
}

/** Cuts the next whole message off what has arrived, null when it is still on its way. */
function takeMessage(client: Client): Buffer | null {
  // Every message is [type, ] length, body, where the length counts itself but not the type.
  const head = client.started ? 1 : 0;
  if (client.rest.length < head + 4) return null;
  const end = head + client.rest.readUInt32BE(head);
  if (client.rest.length < end) return null;
  const message = client.rest.subarray(0, end);
  client.rest = client.rest.subarray(end);
  return message;
}
