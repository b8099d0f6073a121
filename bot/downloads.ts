/**
 * @file Files on their way to browsers. One that is not read holds memory, and with a bucket, a connection would be held that
 * everything else needs. So files are fetched piece by piece, a piece when the last one was taken; there are only so many
 * downloads at once, and those that lag make way for others.
 */
import type { ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { KronaError } from '../core/errors.ts';
import { Slots } from '../core/slots.ts';
import type { BlobRange, BlobStore } from '../storage/blobs/contract.ts';
import { brokenOff } from './broken-off.ts';

/** Bytes of a piece. */
const PIECE = 1024 ** 2;
/** Downloads at once. */
const MOST = 100;
/** Downloads of one address, also those that wait: an office behind one address has room. */
const MOST_OF_ADDRESS = 250;
/** One that takes nothing for so long lags, ms. */
const LAG = 2_000;
const LOOK_EVERY = 250;

interface Download {
  /** When the browser was last given a piece, ms (monotonic); null while one is fetched. */
  givenAt: number | null;
  cut(): void;
}

export class Downloads {
  readonly #slots = new Slots(MOST);
  readonly #open = new Set<Download>();
  readonly #byAddress = new Map<string, number>();
  #waiting = 0;
  #looking: NodeJS.Timeout | undefined;

  /**
   * Waits for its turn, and returns the bytes from `start` to `end`. The first piece is fetched at once, so that what is wrong
   * with the store can still be answered.
   *
   * @param outgoing - the answer
   * @param address - who asks
   * @throws KronaError TOO_MANY_DOWNLOADS, REQUEST_BROKEN_OFF, and those of `BlobStore.stream`
   */
  async begin(
    outgoing: ServerResponse,
    address: string,
    blobs: BlobStore,
    hash: string,
    range: BlobRange,
  ): Promise<ReadableStream<Uint8Array>> {
    const download = await this.#turn(outgoing, address);
    return pieces(blobs, hash, range, download);
  }

  async #turn(outgoing: ServerResponse, address: string): Promise<Download> {
    const others = this.#byAddress.get(address) ?? 0;
    if (others >= MOST_OF_ADDRESS)
      throw new KronaError(
        'TOO_MANY_DOWNLOADS',
        `At most ${MOST_OF_ADDRESS} files can be downloaded at once from one address. Try again in a moment.`,
        { retryable: true },
      );
    this.#byAddress.set(address, others + 1);
    const over = new Promise<void>((resolve) => {
      if (outgoing.destroyed) resolve();
      else outgoing.once('close', resolve);
    });
    void over.then(() => this.#leave(address));
    const download: Download = { givenAt: null, cut: () => void outgoing.destroy() };
    this.#waiting += 1;
    this.#look();
    await this.#slots.start(() => {
      this.#open.add(download);
      return over.then(() => void this.#open.delete(download));
    });
    this.#waiting -= 1;
    if (outgoing.destroyed) throw brokenOff();
    return download;
  }

  #leave(address: string): void {
    const left = (this.#byAddress.get(address) ?? 1) - 1;
    if (left === 0) this.#byAddress.delete(address);
    else this.#byAddress.set(address, left);
  }

  /** While some wait for their turn, ends those that lag, the longest first. */
  #look(): void {
    this.#looking ??= setInterval(() => {
      if (this.#waiting === 0) {
        clearInterval(this.#looking);
        this.#looking = undefined;
        return;
      }
      const since = ({ givenAt }: Download): number => givenAt ?? Infinity;
      const lagging = [...this.#open].filter((each) => since(each) < performance.now() - LAG);
      for (const each of lagging.toSorted((a, b) => since(a) - since(b)).slice(0, this.#waiting)) each.cut();
    }, LOOK_EVERY).unref();
  }
}

async function pieces(
  blobs: BlobStore,
  hash: string,
  { start, end }: BlobRange,
  download: Pick<Download, 'givenAt'>,
): Promise<ReadableStream<Uint8Array>> {
  const fetched = async (from: number) => {
    download.givenAt = null;
    const to = Math.min(end, from + PIECE - 1);
    const bytes = await buffer(await blobs.stream(hash, { start: from, end: to }));
    download.givenAt = performance.now();
    if (bytes.length === 0) throw new Error('the store had no bytes of a file that it has');
    return bytes;
  };
  let at = start;
  let next: Uint8Array | null = at > end ? null : await fetched(at);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const piece = next ?? (at > end ? null : await fetched(at));
        next = null;
        if (piece === null) return controller.close();
        at += piece.length;
        controller.enqueue(piece);
        if (at > end) controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}
