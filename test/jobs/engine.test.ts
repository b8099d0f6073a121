/** The engine process, without storage: pictures between the steps of a training, turns, and its death. */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Engine } from '../../gpu-worker/engine/engine.ts';
import type { EngineWork, PngPicture } from '../../gpu-worker/engine/protocol.ts';
import { Turns, type Place } from '../../gpu-worker/engine/turns.ts';
import { openMobileNet, type ClassScores } from '../../gpu-worker/safety/mobilenet.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import { drawRefined } from '../../gpu-worker/sampling/refine.ts';
import { STEERING } from '../../gpu-worker/sampling/steering.ts';
import { TextToImage } from '../../gpu-worker/sampling/text-to-image.ts';
import { KronaError } from '../../core/errors.ts';
import { enginePid } from '../helpers/engine-pid.ts';
import { TINY_MODEL } from '../helpers/fixtures.ts';
import { writeLora } from '../helpers/lora-file.ts';
import { tinyFolder } from '../helpers/sd-fixtures.ts';

describe('the engine process', () => {
  let folder: string;
  let photo: string;
  let engine: Engine;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'krona-engine-'));
    photo = join(folder, 'photo.png');
    await sharp({ create: { width: 64, height: 64, channels: 3, background: '#c33' } }).toFile(photo);
    // No patience: whatever is cancelled takes the process with it.
    engine = new Engine(TINY_MODEL, { graceMs: 0 });
  });
  afterAll(async () => {
    await engine.close();
    await rm(folder, { recursive: true });
  });

  const endless = (): EngineWork['train']['ask'] => ({
    photos: [photo],
    subjectToken: 'zqkv',
    subjectClass: 'cat',
    prompt: 'a zqkv cat',
    method: 'krona',
    a1: 4,
    a2: 2,
    lr: 1e-3,
    warmup: 0,
    steps: 1_000_000,
    batch: 1,
    accumulation: 1,
    weightDecay: 0.01,
    maxGradNorm: 1,
    seed: 1,
    resolution: 64,
    checkpointing: false,
    checkpointEvery: null,
    resume: false,
    trace: null,
    out: join(folder, 'adapter.safetensors'),
  });
  const drawing = (count: number): EngineWork['draw']['ask'] => ({
    prompt: 'a cat',
    negative: null,
    steps: 2,
    guidance: 4,
    scheduler: null,
    width: 64,
    height: 64,
    strength: 1,
    background: false,
    check: false,
    pictures: Array.from({ length: count }, (_, n) => ({ seed: n, adapters: [] })),
  });

  it('has no platform tokens and no database', async () => {
    vi.stubEnv('SLACK_BOT_TOKEN', 'hush').stubEnv('DATABASE_URL', 'hush').stubEnv('KRONA_THREADS', '1');
    await engine.device();
    vi.unstubAllEnvs();
    const variables = (await readFile(`/proc/${enginePid()}/environ`, 'utf8')).split('\0');
    expect(variables).toContain('KRONA_THREADS=1');
    expect(variables.filter((each) => each.endsWith('=hush'))).toEqual([]);
  });

  it('describes its model', async () => {
    const card = await engine.describe();
    expect(card).toMatchObject({ name: 'model', architecture: 'sdxl', nativeSize: 64, sizeMultiple: 8 });
    expect(card.projections.length).toBeGreaterThan(0);
  });

  it("draws during a training; if that can't be cancelled, the process is killed and the next one works", async () => {
    const abort = new AbortController();
    let trained: Promise<void> | undefined;
    await new Promise<void>((begun) => {
      const training = engine.train(endless(), {
        signal: abort.signal,
        onEvent: (event) => {
          if ('progress' in event && event.progress.step > 0) begun();
        },
      });
      trained = expect(training).rejects.toMatchObject({ code: 'JOB_CANCELLED' });
    });

    const pictures: PngPicture[] = [];
    const steps: number[] = [];
    await engine.draw(drawing(2), {
      onEvent: (event) => {
        if ('picture' in event) pictures.push(event.picture);
        else if ('step' in event) steps.push(event.step);
      },
    });
    expect(steps).toEqual([1, 2, 3, 4]);
    expect(pictures.map(({ place, width, height }) => [place, width, height])).toEqual([
      [0, 64, 64],
      [1, 64, 64],
    ]);
    const { format, channels } = await sharp(pictures[0]!.png).metadata();
    expect([format, channels]).toEqual(['png', 3]);
    expect(pictures[0]!.png.length).toBeLessThan(128 * 1024);

    const other = engine.draw({ ...drawing(4), steps: 500 });
    const otherEnded = expect(other).rejects.toMatchObject({ code: 'ENGINE_RESTARTED', retryable: true });
    // Asleep, it cannot answer in time.
    process.kill(enginePid(), 'SIGSTOP');
    abort.abort(new KronaError('JOB_CANCELLED', 'Somebody cancelled this job.'));
    await trained;
    await otherEnded;
    await engine.draw(drawing(1));
  });

  it('blames its death on the request that computed, and on no other', async () => {
    const deaths = await new Promise<unknown[]>((resolve) => {
      const codes: Promise<unknown>[] = [];
      const code = (work: Promise<unknown>) =>
        work.catch((error: unknown) => (error instanceof KronaError ? error.code : error));
      codes.push(
        code(
          engine.train(endless(), {
            onEvent: (event) => {
              if (!('progress' in event) || event.progress.step === 0 || codes.length > 1) return;
              const onEvent = (drawn: EngineWork['draw']['event']): void => {
                if ('step' in drawn && drawn.step === 2) process.kill(enginePid(), 'SIGKILL');
              };
              codes.push(code(engine.draw({ ...drawing(1), steps: 500 }, { onEvent })));
              resolve(Promise.all(codes));
            },
          }),
        ),
      );
    });
    expect(deaths).toEqual(['ENGINE_RESTARTED', 'ENGINE_DIED']);
  });

  it("checks pictures on request, with the classifier's own results", async () => {
    const told: PngPicture[] = [];
    const onEvent = (event: EngineWork['draw']['event']): void => {
      if ('picture' in event) told.push(event.picture);
    };
    await engine.draw({ ...drawing(2), check: true }, { onEvent });
    await engine.draw(drawing(1), { onEvent });
    const network = await openMobileNet();
    const expected = [];
    for (const { png } of told.slice(0, 2)) {
      const pixels = await sharp(png).raw().toBuffer();
      const [{ hentai, porn, sexy }] = (await network.classify([{ width: 64, height: 64, pixels }])) as [
        ClassScores,
      ];
      expected.push(hentai + porn + sexy);
    }
    await network.release();
    expect(told[0]!.unsafe).toBeCloseTo(expected[0]!, 6);
    expect(told[1]!.unsafe).toBeCloseTo(expected[1]!, 6);
    expect(told[2]!.unsafe).toBeNull();
  });

  it('says before a run which scheduler replaces one that Krona lacks', async () => {
    const other = join(folder, 'other scheduler');
    await cp(TINY_MODEL, other, { recursive: true });
    const config = join(other, 'scheduler/scheduler_config.json');
    const scheduler = JSON.parse(await readFile(config, 'utf8')) as object;
    await writeFile(config, JSON.stringify({ ...scheduler, _class_name: 'SASolverScheduler' }));
    const told: string[] = [];
    const another = new Engine(other);
    try {
      await another.describe({ onEvent: ({ notice }) => told.push(notice) });
      expect(told).toEqual([expect.stringMatching(/SASolverScheduler.*uses euler instead/)]);
    } finally {
      await another.close();
    }
  });

  it('finishes pictures with its refiner, and reports a missing or unsuitable one', async () => {
    const refiner = join(folder, 'refiner');
    await cp(tinyFolder('refiner'), refiner, { recursive: true });
    const refining = new Engine(TINY_MODEL, { refiner });
    try {
      // The tiny models' VAEs scale latents differently, which the published ones do not.
      await expect(refining.describe()).rejects.toMatchObject({ code: 'REFINER_UNFIT' });
      const config = join(refiner, 'vae/config.json');
      const { scaling_factor } = (await openModel(TINY_MODEL)).vae.config;
      const vae = JSON.parse(await readFile(config, 'utf8')) as object;
      await writeFile(config, JSON.stringify({ ...vae, scaling_factor }));
      expect(await refining.describe()).toMatchObject({ name: 'model', refiner: 'refiner' });

      const told: PngPicture[] = [];
      const steps: number[] = [];
      const onEvent = (event: EngineWork['draw']['event']): void => {
        if ('picture' in event) told.push(event.picture);
        else if ('step' in event) steps.push(event.step);
      };
      const ask = { ...drawing(1), steps: 4, scheduler: 'euler' as const };
      await refining.draw({ ...ask, refine: 0.5 }, { onEvent });
      expect(steps).toEqual([1, 2, 3, 4]);
      const [base, second] = [await TextToImage.open(TINY_MODEL), await TextToImage.open(refiner)];
      const request = { ...ask, adapter: null, seed: 0, count: 1, noise: 'krona' as const };
      const [expected] = await drawRefined(base, second, request, { from: 0.5 });
      await Promise.all([base.release(), second.release()]);
      const pixels = await sharp(told[0]!.png).raw().toBuffer();
      expect(Buffer.compare(pixels, expected!.pixels)).toBe(0);
    } finally {
      await refining.close();
    }
    await expect(engine.draw({ ...drawing(1), refine: 0.5 })).rejects.toMatchObject({
      code: 'REFINER_MISSING',
      message: expect.stringContaining('KRONA_REFINER') as string,
    });
  });

  it('draws more like some pictures and less like others, cut to its size', async () => {
    const picture = (background: string) =>
      sharp({ create: { width: 96, height: 64, channels: 3, background } })
        .png()
        .toBuffer();
    const [red, blue] = [await picture('#c33'), await picture('#33c')];
    const told: PngPicture[] = [];
    await engine.draw(
      { ...drawing(2), steeredBy: { liked: [red], disliked: [blue, red] } },
      { onEvent: (event) => 'picture' in event && told.push(event.picture) },
    );
    const painter = await TextToImage.open(TINY_MODEL);
    const plain = (hex: number): Uint8Array =>
      Uint8Array.from({ length: 3 * 64 * 64 }, (_, n) => (hex >> (8 * (2 - (n % 3)))) & 255);
    const latents = (hex: number) => painter.latentsOf({ width: 64, height: 64, pixels: plain(hex) });
    const [liked, disliked] = [await latents(0xcc3333), await latents(0x3333cc)];
    const request = { ...drawing(1), adapter: null, count: 1, noise: 'krona' as const };
    for (const [seed, { png }] of told.entries()) {
      const steer = { liked: [liked], disliked: [disliked, liked], ...STEERING };
      const [expected] = await painter.draw({ ...request, seed, steer });
      const [without] = await painter.draw({ ...request, seed });
      const pixels = await sharp(png).raw().toBuffer();
      expect(Buffer.compare(pixels, expected!.pixels)).toBe(0);
      expect(Buffer.compare(pixels, without!.pixels)).not.toBe(0);
    }
    await painter.release();
  });

  it('draws with an adapter for few steps beside the others, as its name says', async () => {
    const speeds = join(folder, 'speeds');
    await mkdir(speeds);
    const file = await writeLora('sdxl', join(speeds, 'tiny_lightning_3step.safetensors'));
    await writeLora('sd15', join(speeds, 'lcm-of-sd15.safetensors'));
    const fast = new Engine(TINY_MODEL, { speed: speeds });
    const told: PngPicture[] = [];
    const notices: string[] = [];
    try {
      const card = await fast.describe({ onEvent: ({ notice }) => notices.push(notice) });
      expect(card.speeds).toEqual([{ name: 'tiny_lightning_3step', steps: 3, guidance: 1 }]);
      expect(notices).toEqual([expect.stringMatching(/^lcm-of-sd15\.safetensors can't be used for speed/)]);
      const ask = { ...drawing(1), steps: 3, guidance: 1, strength: 0.5, speed: 'tiny_lightning_3step' };
      await fast.draw(ask, { onEvent: (event) => 'picture' in event && told.push(event.picture) });
      const painter = await TextToImage.open(TINY_MODEL);
      const [expected] = await painter.draw({
        ...ask,
        adapter: [await painter.readAdapter(file)],
        schedulerFields: { _class_name: 'EulerDiscreteScheduler', timestep_spacing: 'trailing' },
        seed: 0,
        count: 1,
        noise: 'krona',
      });
      await painter.release();
      const pixels = await sharp(told[0]!.png).raw().toBuffer();
      expect(Buffer.compare(pixels, expected!.pixels)).toBe(0);
    } finally {
      await fast.close();
    }
    await expect(engine.draw({ ...drawing(1), speed: 'lightning' })).rejects.toMatchObject({
      code: 'SPEED_MISSING',
      message: expect.stringContaining('KRONA_SPEED') as string,
    });
  });

  it('saves a cancelled training, and resumes at the same step', async () => {
    const patient = new Engine(TINY_MODEL);
    try {
      const ask = { ...endless(), checkpointEvery: 500_000, resume: true };
      const stepsUntil = async (enough: (step: number) => boolean): Promise<number[]> => {
        const abort = new AbortController();
        const steps: number[] = [];
        const reason = new KronaError('JOB_INTERRUPTED', 'This worker is closing.', { retryable: true });
        const training = patient.train(ask, {
          signal: abort.signal,
          onEvent: (event) => {
            if (!('progress' in event) || event.progress.phase !== 'training') return;
            steps.push(event.progress.step);
            if (enough(event.progress.step)) abort.abort(reason);
          },
        });
        await expect(training).rejects.toBe(reason);
        return steps;
      };
      const first = await stepsUntil((step) => step >= 5);
      const second = await stepsUntil(() => true);
      expect(second[0]).toBe(first.at(-1)! + 1);
    } finally {
      await patient.close();
    }
  });

  it('refuses with a specific code', async () => {
    await expect(engine.draw({ ...drawing(1), width: 60 })).rejects.toMatchObject({
      code: 'SIZE_INVALID',
      retryable: false,
    });
    const adapter = join(folder, 'nothing.safetensors');
    await expect(
      engine.draw({ ...drawing(1), pictures: [{ seed: 1, adapters: [adapter] }] }),
    ).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
  });
});

describe('turns', () => {
  const signal = new AbortController().signal;

  /** Takes `count` turns and notes each. */
  async function work(name: string, place: Place, count: number, log: string[]): Promise<void> {
    for (let n = 1; n <= count; n++) {
      await place.turn(signal);
      log.push(`${name}${n}`);
    }
    place.leave();
  }

  /** Ends when whoever could have had a turn meanwhile has had it. */
  const turnsElsewhere = () => work('elsewhere', new Turns().enter(0), 10, []);

  it('go by rank, then by arrival; work of higher rank pauses between two of its turns', async () => {
    const turns = new Turns();
    const log: string[] = [];
    const training = turns.enter(2);
    await training.turn(signal);
    log.push('train1');
    const all = [
      work('sample', turns.enter(1), 1, log),
      work('first', turns.enter(0), 2, log),
      work('second', turns.enter(0), 1, log),
    ];
    await turnsElsewhere();
    expect(log).toEqual(['train1']);
    all.push(work('later', training, 2, log));
    await Promise.all(all);
    expect(log).toEqual(['train1', 'first1', 'first2', 'second1', 'sample1', 'later1', 'later2']);
  });

  it('end for a cancelled waiter, and continue for the others', async () => {
    const turns = new Turns();
    const [first, second, third] = [turns.enter(0), turns.enter(0), turns.enter(0)];
    await first.turn(signal);
    const cancelled = new AbortController();
    const waiting = second.turn(cancelled.signal);
    const ended = expect(waiting).rejects.toThrow('not wanted any more');
    const next = third.turn(signal);
    await turnsElsewhere();
    cancelled.abort(new Error('not wanted any more'));
    await ended;
    second.leave();
    first.leave();
    await next;
  });
});
