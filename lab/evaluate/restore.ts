/** @file Real pictures after encoding and decoding: the upper limit of how sharp the model's pictures can be. */
import { openDecoder, openEncoder } from '../../gpu-worker/models/autoencoder.ts';
import type { ModelFolder } from '../../gpu-worker/models/model-folder.ts';

export interface Restorer {
  /** @param picture [3, size, size] in [-1, 1]; the result is not clamped */
  restore(picture: Float32Array): Promise<Float32Array>;
  release(): Promise<void>;
}

export async function openRestorer(model: ModelFolder, size: number): Promise<Restorer> {
  const encoder = await openEncoder(model, size, size);
  const decoder = await openDecoder(model, size, size);
  const { scaling_factor: factor, shift_factor: shift } = model.vae.config;
  return {
    async restore(picture) {
      const { mean } = await encoder.encode(picture);
      return decoder.decode(mean.map((value) => (value - shift) * factor));
    },
    async release() {
      await encoder.release();
      await decoder.release();
    },
  };
}
