/** Runs that start from a picture: where they begin, and that they come back to it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openEncoder } from '../../gpu-worker/models/autoencoder.ts';
import { createScheduler } from '../../gpu-worker/sampling/schedulers/create-scheduler.ts';
import { firstStep, handover } from '../../gpu-worker/sampling/schedulers/picture-start.ts';
import { TextToImage, type DrawRequest } from '../../gpu-worker/sampling/text-to-image.ts';
import { KeyedRandom } from '../../core/random.ts';
import { SCHEDULERS, type SchedulerName } from '../../core/settings/choices.ts';
import { TINY_MODEL, worstError } from '../helpers/fixtures.ts';

const CONFIG = {
  beta_schedule: 'scaled_linear',
  beta_start: 0.00085,
  beta_end: 0.012,
  clip_sample: false,
  set_alpha_to_one: true,
  steps_offset: 1,
};

/** How much of the sample is noise at the end: DEIS and TCD stop at the lowest level of the training, √0.00085. */
const LEFT: Partial<Record<SchedulerName, number>> = { lcm: 5e-3, deis: 0.03, tcd: 0.03 };

describe.each(SCHEDULERS)('%s', (name) => {
  it("starts anywhere with that step's noise, and a perfect model leads back to the picture", () => {
    const steps = 10;
    const random = new KeyedRandom(5, 'picture');
    const picture = random.normals(64);
    const noise = random.normals(64);
    for (const first of [1, 6, 9]) {
      const scheduler = createScheduler(name, CONFIG, steps);
      // The step that each call belongs to: Heun's second calls look at the level of the next.
      const levels = Array.from({ length: steps }, (_, step) => scheduler.startOf(step));
      const { call, signal, sigma } = levels[first]!;
      const [scale] = scheduler.scaleModelInput(Float32Array.of(1), call);
      expect(scale! * Math.hypot(signal, sigma)).toBeCloseTo(1, 4);
      const start = picture.map((x, at) => signal * x + sigma * noise[at]!);
      let sample: Float32Array = start;
      for (let i = call; i < scheduler.timesteps.length; i++) {
        const level =
          levels.findLast((each) => each.call === i) ?? levels.find((each) => each.call === i + 1)!;
        // As a model that predicts the noise: what is left of the sample when the picture is taken out.
        const output = sample.map((x, at) => (x - level.signal * picture[at]!) / level.sigma);
        sample = scheduler.step(output, i, sample, () => random.normals(64));
      }
      expect(worstError(start, picture), `from step ${first}`).toBeGreaterThan(0.02);
      expect(worstError(sample, picture), `from step ${first}`).toBeLessThan(LEFT[name] ?? 2e-3);
    }
  });
});

it('the strength sets the number of steps, at least one', () => {
  expect([1, 0.35, 0.5, 0.01].map((strength) => firstStep(20, strength))).toEqual([0, 13, 10, 19]);
  expect(firstStep(1, 0.35)).toBe(0);
});

it('a second model takes over at the start of a whole step', () => {
  const at = (name: (typeof SCHEDULERS)[number], share: number) =>
    handover(createScheduler(name, CONFIG, 10), 10, 1000, share);
  expect([0.2, 0.8].map((share) => at('euler', share))).toEqual([2, 8]);
  // Heun calls the model twice a step, PNDM twice at the second timestep.
  expect([0.2, 0.8].map((share) => at('heun', share))).toEqual([4, 16]);
  expect([0.2, 0.8].map((share) => at('pndm', share))).toEqual([3, 9]);
});

describe('with the tiny model', () => {
  let engine: TextToImage;
  beforeAll(async () => {
    engine = await TextToImage.open(TINY_MODEL);
  });
  afterAll(() => engine.release());

  const request: DrawRequest = {
    prompt: 'a cat',
    negative: null,
    adapter: null,
    steps: 8,
    guidance: 3,
    scheduler: 'euler',
    width: 64,
    height: 64,
    seed: 3,
    count: 1,
    noise: 'krona',
  };
  const distance = (a: Float32Array, b: Float32Array) =>
    Math.sqrt(a.reduce((sum, x, i) => sum + (x - b[i]!) ** 2, 0) / a.length);

  it('fewer steps leave the picture more alike, and progress counts only those', async () => {
    const latents = await engine.latentsOf({
      width: 64,
      height: 64,
      pixels: Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (Math.floor(i / 3) % 64) * 4),
    });
    const moved: number[] = [];
    for (const strength of [0.25, 0.5, 1]) {
      const calls: [number, number][] = [];
      const drawn = await engine.denoise(
        { ...request, start: { latents, strength } },
        { onStep: (step, steps) => calls.push([step, steps]) },
      );
      expect(calls.at(-1)).toEqual([8 * strength, 8 * strength]);
      expect(calls).toHaveLength(8 * strength);
      moved.push(distance(drawn, latents));
    }
    expect(moved[0]!).toBeLessThan(moved[1]!);
    expect(moved[1]!).toBeLessThan(moved[2]!);
  });

  it("latents are the VAE's encoding, scaled for the UNet", async () => {
    const pixels = Uint8Array.from({ length: 32 * 16 * 3 }, (_, i) => (i * 37) % 256);
    const planes = Float32Array.from(
      { length: pixels.length },
      (_, i) => pixels[3 * (i % (32 * 16)) + Math.floor(i / (32 * 16))]! / 127.5 - 1,
    );
    const encoder = await openEncoder(engine.model, 32, 16);
    const { mean } = await encoder.encode(planes);
    await encoder.release();
    const latents = await engine.latentsOf({ width: 32, height: 16, pixels });
    const { scaling_factor: factor, shift_factor: shift } = engine.model.vae.config;
    expect(
      worstError(
        latents,
        mean.map((x) => (x - shift) * factor),
      ),
    ).toBeLessThan(1e-5);
    await expect(
      engine.latentsOf({ width: 33, height: 32, pixels: new Uint8Array(33 * 32 * 3) }),
    ).rejects.toMatchObject({ code: 'SIZE_INVALID' });
  });
});
