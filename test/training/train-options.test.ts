import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { modelCard } from '../../gpu-worker/adapters/model-card.ts';
import { openModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { trainDefaults, trainRecipe } from '../../gpu-worker/training/train-options.ts';
import type { ModelCard } from '../../core/settings/model-card.ts';

const model = (nativeSize: number, widths: number[]): ModelCard => ({
  name: 'm',
  architecture: 'sdxl',
  nativeSize,
  sizeMultiple: 8,
  projections: widths.map((width) => ({ path: 'p', out: width, in: width })),
});

describe('settings to start from', () => {
  it("are the paper's for SDXL", () => {
    expect(trainDefaults(model(1024, [640, 1280, 2048]))).toEqual({ a1: 4, a2: 64, lr: 5e-4, steps: 1000 });
  });

  it('have offset noise only for SDXL, and not with zero terminal SNR', () => {
    const sdxl = model(1024, [640]);
    expect(trainRecipe(sdxl).offsetNoise).toBe(0.0357);
    expect(trainRecipe({ ...sdxl, zeroTerminalSnr: true })).not.toHaveProperty('offsetNoise');
    expect(trainRecipe({ ...sdxl, architecture: 'sd2' })).not.toHaveProperty('offsetNoise');
    expect(trainRecipe(model(128, [640]))).not.toHaveProperty('offsetNoise');
  });

  it('have factors that divide every width of the model', async () => {
    const tiny = modelCard(await openModelFolder(join(import.meta.dirname, '../fixtures/sdxl-tiny/model')));
    expect(tiny).toMatchObject({ architecture: 'sdxl', nativeSize: 64, sizeMultiple: 8 });
    const { a1, a2 } = trainDefaults(tiny);
    expect([a1, a2]).toEqual([2, 2]);
    expect(trainDefaults(model(1024, [16, 24, 40]))).toMatchObject({ a1: 4, a2: 8 });
    for (const { out, in: input } of tiny.projections) expect([out % a1, input % a2]).toEqual([0, 0]);
    expect(trainDefaults(model(128, [6, 9]))).toMatchObject({ a1: 1, a2: 1 });
  });
});
