/** @file The engine process as the worker runs it, and an adapter to draw with. */
import { Engine } from '../gpu-worker/engine/engine.ts';
import type { PictureAsk } from '../gpu-worker/engine/protocol.ts';
import { imagineDefaults } from '../gpu-worker/sampling/imagine-defaults.ts';
import { trainAdapter } from '../gpu-worker/training/train.ts';
import type { Context } from './context.ts';
import { trainingOptions } from './training-options.ts';

export interface Painter {
  /** An adapter's file. */
  readonly adapter: string;
  /** Seconds that a request with guidance takes. */
  draw(pictures: readonly PictureAsk[], steps?: number): Promise<number>;
  close(): Promise<void>;
}

/** As after the worker's start: the model is open, nothing has been drawn. */
export async function openPainter({ model, folder }: Context): Promise<Painter> {
  const { adapter } = await trainAdapter(await trainingOptions(model, folder, { steps: 1, batch: 1 }));
  const engine = new Engine(model);
  const { width, height, guidance, steps: usual } = imagineDefaults(await engine.describe());
  return {
    adapter,
    async draw(pictures, steps = usual) {
      const began = performance.now();
      await engine.draw({
        prompt: 'a sks cat on a blue background',
        negative: null,
        pictures,
        strength: 1,
        steps,
        guidance,
        scheduler: null,
        width,
        height,
        background: false,
        check: false,
      });
      return (performance.now() - began) / 1000;
    },
    close: () => engine.close(),
  };
}
