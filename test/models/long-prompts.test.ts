/** Prompts longer than CLIP's 77 positions, as AUTOMATIC1111's web UI and ComfyUI read them: in chunks, side by side. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { commonChunks, lengthened } from '../../gpu-worker/models/equal-lengths.ts';
import { openModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { TextEncoder } from '../../gpu-worker/models/text-encoder.ts';
import { loadTokenizer } from '../../gpu-worker/models/tokenizer.ts';
import { TextToImage } from '../../gpu-worker/sampling/text-to-image.ts';
import { trainAdapter } from '../../gpu-worker/training/train.ts';
import { TINY_MODEL } from '../helpers/fixtures.ts';
import { makePhotos, tinyRun } from '../helpers/tiny-run.ts';

/** Each a token of its own for the tiny tokenizer. */
const letters = (count: number) => Array.from({ length: count }, (_, n) => 'abcdefg'[n % 7]).join(' ');

it("each chunk is encoded as on its own, and pooled text is the first chunk's", async () => {
  const model = await openModelFolder(TINY_MODEL);
  const encoder = await TextEncoder.open(model);
  try {
    expect(encoder.measure(letters(75))).toEqual({ tokens: 75, chunks: 1 });
    expect(encoder.measure(letters(160))).toEqual({ tokens: 160, chunks: 3 });
    const whole = await encoder.encode(letters(160));
    const words = letters(160).split(' ');
    const alone = [];
    for (const from of [0, 75, 150]) alone.push(await encoder.encode(words.slice(from, from + 75).join(' ')));
    expect(whole.states).toEqual(Float32Array.from(alone.flatMap(({ states }) => [...states])));
    expect(whole.pooled).toEqual(alone[0]!.pooled);
  } finally {
    await encoder.release();
  }
  const { chunks } = (await loadTokenizer(model.tokenizers[0])).chunks(letters(76));
  expect(chunks).toHaveLength(2);
  expect(chunks[1]?.[0]).toBe(chunks[0][0]);
});

it('text after the 75th token changes the picture, with and without guidance', async () => {
  const painter = await TextToImage.open(TINY_MODEL);
  try {
    const draw = async (prompt: string, guidance: number) => {
      const shared = {
        negative: 'red',
        adapter: null,
        steps: 2,
        scheduler: null,
        width: 32,
        height: 32,
        seed: 1,
        count: 1,
      };
      return (await painter.draw({ ...shared, prompt, guidance, noise: 'krona' }))[0]!.pixels;
    };
    for (const guidance of [1, 5])
      expect(await draw(`${letters(80)} a`, guidance)).not.toEqual(await draw(`${letters(80)} b`, guidance));
  } finally {
    await painter.release();
  }
});

it('texts of several lengths are repeated to the least common one, or padded where that is far', () => {
  expect(commonChunks([2, 3, 4], 12)).toBe(12);
  expect(commonChunks([14, 13, 11, 1], 2001)).toBe(14);
  const empty = Float32Array.of(0, 9);
  expect(lengthened(Float32Array.of(1, 2), 2, empty)).toEqual(Float32Array.of(1, 2, 1, 2));
  expect(lengthened(Float32Array.of(1, 2, 3, 4), 3, empty)).toEqual(Float32Array.of(1, 2, 3, 4, 0, 9));
});

it('a batch of captions of many lengths trains, with text encoders and without', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'krona-long-'));
  try {
    const photos = await makePhotos(folder, 4);
    const captions = [375, 450, 520, 800].map((count) => letters(count));
    const losses: number[] = [];
    for (const targets of [undefined, ['attention', 'text-encoders'] as const]) {
      const out = join(folder, `${losses.length}.safetensors`);
      const run = { ...tinyRun(photos, out), captions, batch: 4, accumulation: 1, steps: 1 };
      losses.push(...(await trainAdapter(targets === undefined ? run : { ...run, targets })).loss);
    }
    // Before the first step an adapter changes nothing, so both read the same text.
    expect(losses[0]).toBeGreaterThan(0);
    expect(losses[1]).toBeCloseTo(losses[0]!, 5);
  } finally {
    await rm(folder, { recursive: true });
  }
});
