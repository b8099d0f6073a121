/** @file An engine that is played: it takes its time and gives one small picture, as if a card had drawn it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { KronaError } from '../../core/errors.ts';
import { encodePng } from '../../core/pictures/encode.ts';
import type { ModelCard } from '../../core/settings/model-card.ts';
import type { WorkerEngine } from '../../gpu-worker/main.ts';
import { DIALECTS } from '../../gpu-worker/graph/dialect.ts';

const PLAYED_MODEL: ModelCard = {
  name: 'played',
  architecture: 'sdxl',
  nativeSize: 128,
  sizeMultiple: 8,
  projections: [{ path: 'mid_block.attentions.0.to_q', out: 64, in: 64 }],
};

const refused = (): Promise<never> =>
  Promise.reject(new KronaError('PLAYED', 'The played engine only draws.'));

/** @param pictureMs - how long a picture takes, ms */
export async function playedEngine(pictureMs: number): Promise<WorkerEngine> {
  const side = 8;
  const png = await encodePng({ width: side, height: side, pixels: new Uint8Array(3 * side * side) }, 9);
  const engine: WorkerEngine = {
    device: async () => ({ device: 'cpu', dialect: DIALECTS.cpu, notice: null }),
    describe: async () => PLAYED_MODEL,
    on: () => engine,
    release: async () => {},
    fits: async () => true,
    train: refused,
    sweep: refused,
    async draw({ pictures }, { onEvent, signal } = {}) {
      for (const place of pictures.keys()) {
        await sleep(pictureMs, undefined, signal && { signal }).catch(() => signal?.throwIfAborted());
        onEvent?.({ picture: { place, width: side, height: side, png, unsafe: null } });
      }
    },
    close: async () => {},
  };
  return engine;
}
