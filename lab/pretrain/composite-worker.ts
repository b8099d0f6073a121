/**
 * @file Makes training examples on a separate thread, a few batches ahead, so that the training step never waits. Both
 * ends of the thread are here: `openBatches` for the trainer, the rest for the thread.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { PretrainData } from './concepts.ts';
import { prepareArt, sampleCaptioned, sampleCrop, type TrainingArt } from './sampler.ts';
import { viewSprites, type SpriteSheet } from './sprites.ts';

/** Captions of one picture, of which training takes another each time. */
const CAPTIONS = 4;

export interface Batch {
  /** Number of the first example; the batch holds `start … start + size − 1`. */
  readonly start: number;
  /** [size, 3, side, side] in [-1, 1]. */
  readonly images: Float32Array<ArrayBuffer>;
  /** CAPTIONS for each picture; none for crops. */
  readonly captions: readonly (readonly string[])[];
}

export interface BatchOptions {
  /** `pictures` with captions for the UNet, `crops` for the autoencoder. */
  readonly kind: 'pictures' | 'crops';
  readonly seed: number;
  readonly batchSize: number;
  /** Number of the first example. Default 0; a resumed run continues at its next. */
  readonly start?: number;
  /** Batches made ahead. Default 3. */
  readonly ahead?: number;
}

/** Batches in the order of their numbers. */
export interface BatchSource {
  /** The next batch. The caller owns its memory until `recycle`. */
  next(): Promise<Batch>;
  /** Returns a batch's memory; optional, saves allocation. */
  recycle(batch: Batch): void;
  close(): Promise<void>;
}

interface ThreadData {
  readonly purpose: 'krona-pretrain-batches';
  readonly data: PretrainData;
  readonly pixels: SharedArrayBuffer;
  readonly extents: SpriteSheet['extents'];
  readonly kind: BatchOptions['kind'];
  readonly seed: number;
  readonly batchSize: number;
}

interface Order {
  readonly start: number;
  readonly buffer: ArrayBuffer | undefined;
}

/** Starts a thread that makes batches from `start`. Close it when done. */
export function openBatches(data: PretrainData, sheet: SpriteSheet, options: BatchOptions): BatchSource {
  const { kind, seed, batchSize, ahead = 3 } = options;
  const thread: ThreadData = {
    purpose: 'krona-pretrain-batches',
    data,
    pixels: sheet.pixels,
    extents: sheet.extents,
    kind,
    seed,
    batchSize,
  };
  // A thread has no TypeScript loader, so a line of JavaScript registers it.
  const [loader, self] = [import.meta.resolve('tsx/esm/api'), import.meta.url].map((url) =>
    JSON.stringify(url),
  );
  const entry = `import(${loader}).then(({ register }) => { register(); return import(${self}); });`;
  const worker = new Worker(entry, { eval: true, execArgv: [], workerData: thread });
  const spare: ArrayBuffer[] = [];
  const ready: Batch[] = [];
  const waiting: { resolve: (batch: Batch) => void; reject: (error: Error) => void }[] = [];
  let nextStart = options.start ?? 0;
  let failure: Error | undefined;

  const order = () => {
    const buffer = spare.pop();
    worker.postMessage({ start: nextStart, buffer } satisfies Order, buffer ? [buffer] : []);
    nextStart += batchSize;
  };
  const fail = (error: Error) => {
    failure ??= error;
    for (const { reject } of waiting.splice(0)) reject(failure);
  };
  worker.on('message', (batch: Batch) => {
    const first = waiting.shift();
    if (first) first.resolve(batch);
    else ready.push(batch);
  });
  worker.on('error', fail);
  worker.on('exit', () => fail(new Error('The thread that makes training pictures stopped unexpectedly.')));
  for (let count = 0; count < ahead; count++) order();

  return {
    next() {
      const batch = ready.shift();
      if (!batch && failure) return Promise.reject(failure);
      order();
      if (batch) return Promise.resolve(batch);
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    recycle(batch) {
      spare.push(batch.images.buffer);
    },
    async close() {
      await worker.terminate();
    },
  };
}

/** Fills one batch; the same on any thread. */
export function makeBatch(
  art: TrainingArt,
  { kind, seed, batchSize }: Pick<BatchOptions, 'kind' | 'seed' | 'batchSize'>,
  start: number,
  buffer?: ArrayBuffer,
): Batch {
  const side = kind === 'crops' ? art.data.crops.side : art.data.size;
  const one = 3 * side * side;
  const images = buffer ? new Float32Array(buffer) : new Float32Array(batchSize * one);
  const captions: string[][] = [];
  for (let place = 0; place < batchSize; place++) {
    if (kind === 'crops') sampleCrop(art, seed, start + place, side, images, place * one);
    else captions.push(sampleCaptioned(art, seed, start + place, CAPTIONS, images, place * one));
  }
  return { start, images, captions };
}

function serve(thread: ThreadData): void {
  const { sprites, creatures } = viewSprites(thread.data, thread.pixels, thread.extents);
  const art = prepareArt(thread.data, sprites, creatures);
  parentPort!.on('message', ({ start, buffer }: Order) => {
    const batch = makeBatch(art, thread, start, buffer);
    parentPort!.postMessage(batch, [batch.images.buffer]);
  });
}

if (!isMainThread && (workerData as Partial<ThreadData> | null)?.purpose === 'krona-pretrain-batches') {
  serve(workerData as ThreadData);
}
