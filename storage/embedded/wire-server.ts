/**
 * @file Speaks PostgreSQL's wire protocol for one PGlite session, so that several processes can use it through
 * ordinary `pg` clients. (PostgreSQL 18 manual, chapter 54, "Frontend/Backend Protocol".)
 *
 * All clients share one session, so some messages must run without a gap: everything a client sends up to a Sync
 * or a simple Query is one unit, and from BEGIN to COMMIT only the client that began is served. (pglite-socket
 * 0.2.17 interleaves single messages instead: with a large parameter, or with two clients waiting behind a
 * transaction, a query gets the parameters of another.) Notifications reach every client. COPY and cursors
 * fetched with Flush are not supported; Krona uses neither.
 */
import type { PGlite } from '@electric-sql/pglite';
import { createServer, type Socket } from 'node:net';
import { pauseAfter } from '../../core/backoff.ts';
import { asError } from '../../core/errors.ts';
import { retry } from '../../core/retrying.ts';

/** A client that is silent inside a transaction for this long is disconnected, because all others wait for it; ms. */
const IDLE_IN_TRANSACTION = 15_000;

/** Pauses between tries to open the database again, ms. */
const PAUSES = { first: 500, longest: 10_000 };

const SSL_REQUEST = 80877103;
const GSS_REQUEST = 80877104;
const CANCEL_REQUEST = 80877102;

const QUERY = 'Q'.charCodeAt(0);
const SYNC = 'S'.charCodeAt(0);
const TERMINATE = 'X'.charCodeAt(0);
const NOTIFICATION = 'A'.charCodeAt(0);
const ERROR = 'E'.charCodeAt(0);

interface Client {
  readonly socket: Socket;
  /** Bytes of a message that has not fully arrived. */
  rest: Buffer;
  /** Complete messages since the last Sync. */
  unit: Buffer[];
  /** The start-up packet has arrived: messages now carry a type byte. */
  started: boolean;
  /** The start-up packet has been answered: notifications can be sent. */
  greeted: boolean;
}

/** Everything that a client sent up to a Sync or a simple Query. */
interface Unit {
  readonly client: Client;
  readonly bytes: Buffer;
}

export interface ServerOptions {
  /** ms that a client may be silent inside a transaction */
  readonly idleInTransaction?: number;
  /** Opens the database again, as after a crash: one that panicked, as on a full disk, answers nothing any more. */
  readonly reopen?: () => Promise<PGlite>;
}

/**
 * Serves `database` on a Unix socket until `close` is called, which ends all connections but not the database.
 *
 * @throws the error of node:net when the path cannot be listened on
 */
export async function serveDatabase(
  database: PGlite,
  path: string,
  options: ServerOptions = {},
): Promise<{ close(): Promise<void> }> {
  const session = new SharedSession(database, options);
  const server = createServer((socket) => session.accept(socket));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return {
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      session.end();
      await closed;
      await session.settled();
    },
  };
}

/** One PGlite session and the clients that take turns on it. */
class SharedSession {
  #database: PGlite;
  readonly #idleInTransaction: number;
  readonly #reopen: ServerOptions['reopen'];
  readonly #closing = new AbortController();
  /** The database has panicked and is not open again. */
  #broken = false;
  readonly #clients = new Set<Client>();
  #waiting: Unit[] = [];
  /** The client whose transaction is open. */
  #owner: Client | null = null;
  #idle: NodeJS.Timeout | undefined;
  #serving: Promise<void> | null = null;

  constructor(database: PGlite, { idleInTransaction = IDLE_IN_TRANSACTION, reopen }: ServerOptions) {
    this.#database = database;
    this.#idleInTransaction = idleInTransaction;
    this.#reopen = reopen;
  }

  accept(socket: Socket): void {
    if (this.#broken) {
      socket.destroy();
      return;
    }
    const client: Client = { socket, rest: Buffer.alloc(0), unit: [], started: false, greeted: false };
    this.#clients.add(client);
    socket.on('data', (chunk) => this.#receive(client, chunk));
    // A client that dies is no fault of ours; 'close' follows and rolls its transaction back.
    socket.on('error', () => {});
    socket.on('close', () => this.#forget(client));
  }

  /** Ends all connections for good. */
  end(): void {
    this.#closing.abort();
    this.#disconnectAll();
  }

  #disconnectAll(): void {
    clearTimeout(this.#idle);
    for (const { socket } of this.#clients) socket.destroy();
  }

  /** Resolves when no unit is being served. */
  async settled(): Promise<void> {
    await this.#serving;
  }

  #receive(client: Client, chunk: Buffer): void {
    client.rest = client.rest.length === 0 ? chunk : Buffer.concat([client.rest, chunk]);
    for (let message = takeMessage(client); message !== null; message = takeMessage(client)) {
      if (client.started) this.#queue(client, message);
      else this.#start(client, message);
    }
    this.#serve();
  }

  /** Takes a message that has no type byte: a request for encryption or cancellation, or the start-up packet. */
  #start(client: Client, message: Buffer): void {
    const request = message.readUInt32BE(4);
    if (request === CANCEL_REQUEST) client.socket.end();
    else if (request === SSL_REQUEST || request === GSS_REQUEST) client.socket.write('N');
    else {
      client.started = true;
      this.#waiting.push({ client, bytes: message });
    }
  }

  #queue(client: Client, message: Buffer): void {
    if (message[0] === TERMINATE) {
      client.socket.end();
      return;
    }
    client.unit.push(message);
    if (message[0] !== SYNC && message[0] !== QUERY) return;
    this.#waiting.push({ client, bytes: Buffer.concat(client.unit) });
    client.unit = [];
  }

  #forget(client: Client): void {
    this.#clients.delete(client);
    this.#waiting = this.#waiting.filter((unit) => unit.client !== client);
    this.#serve();
  }

  /** Serves what is waiting, unless that is already under way. */
  #serve(): void {
    this.#serving ??= this.#serveWaiting().finally(() => {
      this.#serving = null;
    });
  }

  async #serveWaiting(): Promise<void> {
    for (;;) {
      if (this.#owner !== null && !this.#clients.has(this.#owner)) {
        await this.#database.exec('ROLLBACK');
        this.#owner = null;
      }
      const next = this.#waiting.find(({ client }) => this.#owner === null || client === this.#owner);
      if (next === undefined) return;
      this.#waiting.splice(this.#waiting.indexOf(next), 1);
      await this.#answer(next);
    }
  }

  async #answer({ client, bytes }: Unit): Promise<void> {
    try {
      // `execProtocolRaw` would also keep the rows of every answer, for a reader that never comes.
      const { data } = await this.#database.runExclusive(() =>
        this.#database.execProtocol(bytes, { throwOnError: false }),
      );
      const answer = Buffer.from(data);
      this.#deliver(client, answer);
      if (hasPanicked(answer)) return await this.#recover();
    } catch (error) {
      client.socket.destroy(asError(error));
    }
    this.#owner = this.#database.isInTransaction() ? client : null;
    clearTimeout(this.#idle);
    if (this.#owner !== null)
      this.#idle = setTimeout(() => client.socket.destroy(), this.#idleInTransaction).unref();
  }

  /** Opens a database that panicked again, however long that takes; until then nobody is let in. */
  async #recover(): Promise<void> {
    this.#broken = true;
    this.#owner = null;
    this.#waiting = [];
    this.#disconnectAll();
    const reopen = this.#reopen;
    if (reopen === undefined) return;
    const reopened = retry(reopen, {
      signal: this.#closing.signal,
      pause: (_, failures) => pauseAfter(failures, PAUSES),
    });
    await reopened.then(
      (database) => {
        this.#database = database;
        this.#broken = false;
      },
      () => undefined,
    );
  }

  /** Sends the answer to its client, and the notifications in it to every client. */
  #deliver(client: Client, answer: Buffer): void {
    const own: Buffer[] = [];
    for (let at = 0; at < answer.length;) {
      const end = at + 1 + answer.readUInt32BE(at + 1);
      const message = answer.subarray(at, end);
      if (message[0] === NOTIFICATION) {
        for (const listener of this.#clients) if (listener.greeted) listener.socket.write(message);
      } else own.push(message);
      at = end;
    }
    client.greeted = true;
    if (own.length > 0 && client.socket.writable) client.socket.write(Buffer.concat(own));
  }
}

/** Takes the next complete message from what has arrived; null when it is still incomplete. */
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

/** Whether an answer ends with an error after which PostgreSQL stops. */
function hasPanicked(answer: Buffer): boolean {
  for (let at = 0; at < answer.length; at += 1 + answer.readUInt32BE(at + 1))
    if (answer[at] === ERROR && answer.includes('VPANIC\0', at)) return true;
  return false;
}
