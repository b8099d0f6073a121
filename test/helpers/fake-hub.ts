/**
 * @file A model hub on this machine: the part of huggingface.co's API that downloading takes, with pages, ranges,
 * redirects to a store, and the mishaps of real lines.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Mishap {
  /** The connection is cut after so many bytes of the answer, this many times. */
  readonly cutAfter?: number;
  /** How often; by default once, and a status always. */
  times?: number;
  /** One byte of every answer is changed. */
  damaged?: boolean;
  readonly status?: number;
}

export interface Asked {
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

export const COMMIT = 'c0ffee'.padEnd(40, '0');

export class FakeHub {
  readonly files: ReadonlyMap<string, Buffer>;
  readonly asked: Asked[] = [];
  readonly mishaps = new Map<string, Mishap>();
  /** Sizes that the list tells in place of the true ones. */
  readonly sizes = new Map<string, number>();
  /** What a request must carry; null: nothing. */
  token: string | null = null;
  ranges = true;
  readonly #server: Server;

  private constructor(files: ReadonlyMap<string, Buffer>) {
    this.files = files;
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  /** Serves `files` as the repository owner/model. Files over 10 kB are large ones, with a SHA-256. */
  static async start(files: ReadonlyMap<string, Buffer>): Promise<FakeHub> {
    const hub = new FakeHub(files);
    await new Promise<void>((resolve) => hub.#server.listen(0, '127.0.0.1', resolve));
    return hub;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Bytes of files asked for: `path` and from where on. */
  get downloads(): string[] {
    return this.asked
      .filter(({ path }) => path.includes('/resolve/'))
      .map(({ path, range }) => `${path.split(`${COMMIT}/`)[1]} ${range ?? 'all'}`);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url!, this.endpoint);
    const { range, authorization } = request.headers;
    this.asked.push({ path: url.pathname, range, authorization });
    const json = (status: number, body: unknown, headers: Record<string, string> = {}) =>
      response
        .writeHead(status, { 'content-type': 'application/json', ...headers })
        .end(JSON.stringify(body));
    const store = '/store/';
    if (url.pathname.startsWith(store)) {
      this.#send(decodeURIComponent(url.pathname.slice(store.length)), range, response);
      return;
    }
    if (this.token !== null && authorization !== `Bearer ${this.token}`) {
      json(401, { error: 'Access to this model is restricted.' });
      return;
    }
    const resolve = `/owner/model/resolve/${COMMIT}/`;
    if (url.pathname === '/api/models/owner/model/revision/main')
      json(200, {
        _id: '1',
        id: 'owner/model',
        sha: COMMIT,
        private: false,
        gated: false,
        downloads: 0,
        likes: 0,
      });
    else if (url.pathname === `/api/models/owner/model/tree/${COMMIT}`) this.#list(url, json);
    else if (url.pathname.startsWith(resolve)) {
      const path = decodeURIComponent(url.pathname.slice(resolve.length));
      const mishap = this.mishaps.get(path);
      if (mishap?.status !== undefined && (mishap.times ??= Infinity) > 0) {
        mishap.times -= 1;
        json(mishap.status, { error: 'no' });
      }
      // As the hub does, large files lie elsewhere.
      else if (isLarge(this.files.get(path)!))
        response.writeHead(302, { location: `${store}${encodeURIComponent(path)}` }).end();
      else this.#send(path, range, response);
    } else json(404, { error: 'Repository not found' });
  }

  /** Two pages. */
  #list(url: URL, json: (status: number, body: unknown, headers?: Record<string, string>) => void): void {
    const sizeOf = (path: string, bytes: Buffer): number => this.sizes.get(path) ?? bytes.length;
    const entries = [...this.files].map(([path, bytes]) => ({
      type: 'file',
      path,
      size: sizeOf(path, bytes),
      oid: createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex'),
      ...(isLarge(bytes)
        ? {
            lfs: {
              oid: createHash('sha256').update(bytes).digest('hex'),
              size: sizeOf(path, bytes),
              pointerSize: 134,
            },
          }
        : {}),
    }));
    const half = Math.ceil(entries.length / 2);
    if (url.searchParams.has('cursor')) json(200, entries.slice(half));
    else
      json(200, [{ type: 'directory', path: 'unet', size: 0, oid: '0' }, ...entries.slice(0, half)], {
        link: `<${url.href}&cursor=2>; rel="next"`,
      });
  }

  #send(path: string, range: string | undefined, response: ServerResponse): void {
    const all = this.files.get(path)!;
    const mishap = this.mishaps.get(path);
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
    const partial = this.ranges && from !== undefined;
    const [start, end] = partial ? [Number(from), Number(to) + 1] : [0, all.length];
    const bytes = Buffer.from(all.subarray(start, end));
    if (mishap?.damaged && bytes.length > 0) bytes[bytes.length >> 1]! ^= 1;
    response.writeHead(partial ? 206 : 200, {
      'content-length': bytes.length,
      etag: '"x"',
      ...(partial ? { 'content-range': `bytes ${start}-${end - 1}/${all.length}` } : {}),
    });
    if (mishap?.cutAfter !== undefined && (mishap.times ?? 1) > 0) {
      mishap.times = (mishap.times ?? 1) - 1;
      response.write(bytes.subarray(0, mishap.cutAfter), () => response.socket!.end());
    } else response.end(bytes);
  }
}

const isLarge = (bytes: Buffer): boolean => bytes.length > 10_000;
