import { execFileSync } from 'node:child_process';
import { access, mkdir, mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSafetensors, readFloats } from '../../gpu-worker/models/safetensors.ts';
import { krona, kronaProcess, ROOT, TINY } from './run-krona.ts';

const SD15 = join(ROOT, 'test/fixtures/sd-tiny/sd15/model');

let folder: string;
let photos: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-cli-run-'));
  photos = join(folder, 'photos');
  await mkdir(photos);
  for (const background of ['#c33', '#39c'])
    await sharp({ create: { width: 80, height: 64, channels: 3, background } })
      .jpeg()
      .toFile(join(photos, `${background.slice(1)}.jpg`));
});
afterAll(() => rm(folder, { recursive: true }));

const training = (out: string, ...more: string[]) => {
  const words = [
    'train',
    '--model',
    TINY,
    '--photos',
    photos,
    '--subject',
    'sks cat',
    '--a1',
    '4',
    '--a2',
    '2',
  ];
  return [...words, '--lr', '1e-3', '--seed', '7', '--out', join(folder, out), ...more];
};

interface Printed {
  adapter: string;
  parameters: number;
  steps: number;
  loss: number[];
  secondsPerStep: number;
  peakMemoryMiB: number;
  images: string[];
  seed: number;
  secondsPerImage: number;
}
const printed = (stdout: string) => JSON.parse(stdout) as Printed;

describe('krona train', () => {
  it('takes common training options and records them in the file; class pictures need a class', async () => {
    const options = ['--min-snr', '5', '--buckets', '--flip', '--prior', '1', '--lr-schedule', 'cosine'];
    const kept = ['--class-pictures', join(folder, 'class')];
    const ended = await krona(...training('more.safetensors', '--steps', '2', '--json', ...options, ...kept));
    expect(ended.code).toBe(0);
    const inspected = await krona('adapter', 'inspect', printed(ended.stdout).adapter, '--json');
    const { metadata } = JSON.parse(inspected.stdout) as { metadata: Record<string, string> };
    const usual = { targets: ['attention', 'feed-forward'], prior_l2: 5e-4 };
    expect(JSON.parse(metadata['krona.settings']!)).toMatchObject({
      ...usual,
      min_snr: 5,
      buckets: true,
      flip: true,
      class_prompt: 'a cat',
      lr_schedule: 'cosine',
    });
    const less = ['--targets', 'attention', '--prior-l2', '0'];
    const other = await krona(...training('less.safetensors', '--steps', '1', '--json', ...less));
    const bare = await krona('adapter', 'inspect', printed(other.stdout).adapter, '--json');
    const { metadata: found } = JSON.parse(bare.stdout) as { metadata: Record<string, string> };
    for (const key of Object.keys(usual))
      expect(JSON.parse(found['krona.settings']!)).not.toHaveProperty(key);
    const nameless = await krona(...training('none.safetensors', '--prior', '1', '--class', '', '--json'));
    expect(JSON.parse(nameless.stdout)).toMatchObject({ error: { code: 'OPTION_MISSING' } });
  });

  it('draws samples at each checkpoint and at the end, from the same noise as imagine', async () => {
    const prompts = ['--sample', 'a sks cat', '--sample', 'a sks cat on red'];
    const every = ['--steps', '4', '--checkpoint-every', '2', '--json'];
    const ended = await krona(...training('shown.safetensors', ...every, ...prompts));
    expect(ended.code).toBe(0);
    const { samples } = JSON.parse(ended.stdout) as { samples: string[] };
    const names = ['shown-000002-sample-1', 'shown-000002-sample-2', 'shown-sample-1', 'shown-sample-2'];
    expect(samples).toEqual(names.map((name) => join(folder, `${name}.png`)));
    const pixels = await Promise.all(samples.map((path) => sharp(path).raw().toBuffer()));
    expect(new Set(pixels.map((each) => each.toString('base64'))).size).toBe(4);
    const words = ['imagine', '--model', TINY, '--adapter', join(folder, 'shown.safetensors'), '--json'];
    const asked = ['--prompt', 'a sks cat', '--seed', '7', '--out', join(folder, 'drawn')];
    const [image] = printed((await krona(...words, ...asked)).stdout).images;
    expect(await sharp(image).raw().toBuffer()).toEqual(pixels[2]);
  });

  it('makes an adapter that other programs read and imagine draws with', async () => {
    const ended = await krona(...training('mochi.safetensors', '--steps', '6', '--json'));
    expect(ended.stderr).toContain('training 6/6');
    expect(ended.code).toBe(0);
    const result = printed(ended.stdout);
    expect(result).toMatchObject({ adapter: join(folder, 'mochi.safetensors'), steps: 6 });
    expect(result.loss).toHaveLength(6);
    expect(result.secondsPerStep).toBeGreaterThan(0);
    expect(result.peakMemoryMiB).toBeGreaterThan(50);

    const inspected = await krona(...['adapter', 'inspect', result.adapter, '--json']);
    expect(JSON.parse(inspected.stdout)).toMatchObject({
      parameters: result.parameters,
      factors: { a1: 4, a2: 2 },
      base: { model: basename(TINY) },
      metadata: { 'krona.subject_token': 'sks', 'krona.subject_class': 'cat', 'krona.seed': '7' },
    });

    const drawing = [
      'imagine',
      '--model',
      TINY,
      '--prompt',
      'sks cat',
      '--steps',
      '3',
      '--seed',
      '5',
      '--json',
    ];
    const plain = printed((await krona(...[...drawing, '--out', join(folder, 'plain')])).stdout);
    const at = (strength: string) => [
      '--adapter',
      `${result.adapter}:${strength}`,
      '--out',
      join(folder, `at${strength}`),
    ];
    const adapted = printed((await krona(...[...drawing, ...at('5')])).stdout);
    const silent = printed((await krona(...[...drawing, ...at('0')])).stdout);
    const [base, changed, same] = await Promise.all(
      [plain, adapted, silent].map(({ images }) => sharp(images[0]).raw().toBuffer()),
    );
    expect(same!.equals(base!)).toBe(true);
    expect(changed!.equals(base!)).toBe(false);

    // The changes of several add up: once at 5 is as 2 and 3 together.
    const [two, three] = ['2', '3'].map((strength) => ['--adapter', `${result.adapter}:${strength}`]);
    const both = printed(
      (await krona(...[...drawing, ...two!, ...three!, '--out', join(folder, 'both')])).stdout,
    );
    const sum = await sharp(both.images[0]).raw().toBuffer();
    const apart = (picture: Buffer) =>
      sum.reduce((worst, value, i) => Math.max(worst, Math.abs(value - picture[i]!)), 0);
    expect(apart(changed!)).toBeLessThanOrEqual(1);
    expect(apart(base!)).toBeGreaterThan(1);
  });

  it.each([
    ['lora', ['--rank', '2', '--alpha', '4'], { format: 'lora', method: 'lora', rank: 2, scale: 2 }],
    ['full', [], { format: 'difference', method: 'full' }],
    [
      'krona',
      ['--factors', 'k:2x8,v:8x4', '--targets', 'attention,text-encoders', '--init', 'kaiming'],
      {
        format: 'lokr',
        method: 'krona',
        factors: [
          { a1: 2, a2: 8 },
          { a1: 4, a2: 2 },
          { a1: 8, a2: 4 },
        ],
      },
    ],
  ])(
    'with method %s makes a file that inspect describes and imagine draws with',
    async (method, words, expected) => {
      const out = `${method}-all.safetensors`;
      const ended = await krona(...training(out, '--steps', '2', '--method', method, ...words, '--json'));
      expect(ended.code).toBe(0);
      const { adapter, parameters } = printed(ended.stdout);
      const inspected = await krona('adapter', 'inspect', adapter, '--json');
      expect(JSON.parse(inspected.stdout)).toMatchObject({ ...expected, parameters });
      const drawing = [
        'imagine',
        '--model',
        TINY,
        '--adapter',
        adapter,
        '--prompt',
        'sks cat',
        '--steps',
        '1',
      ];
      const drawn = await krona(...[...drawing, '--out', join(folder, method), '--json']);
      expect(printed(drawn.stdout).images).toHaveLength(1);
    },
  );

  it('names options that another one leaves without effect', async () => {
    const idle = ['--factors', 'k:2x2', '--init', 'kaiming', '--cuts', '2', '--class-prompt', 'a cat'];
    const lora = training('idle.safetensors', '--steps', '1', '--method', 'lora', '--rank', '2', ...idle);
    const { code, stderr } = await krona(...lora, '--background', '0.5', '--scheduler', 'ddim');
    expect(code).toBe(0);
    expect(stderr.split('\n').filter((line) => line.startsWith('Without effect'))).toEqual([
      'Without effect: --a1, --a2, --factors. For that, give --method krona.',
      'Without effect: --class-prompt. For that, give --prior.',
      'Without effect: --background. For that, give --mask.',
      'Without effect: --cuts. For that, give --crop random.',
      'Without effect: --scheduler. For that, give --sample.',
    ]);
    const used = ['--steps', '1', '--init', 'kaiming', '--crop', 'random', '--cuts', '2'];
    expect((await krona(...training('used.safetensors', ...used))).stderr).not.toContain('Without effect');
  });

  it('stops at Ctrl-C with its state saved, and --resume gives the same result', async () => {
    const steps = ['--steps', '12', '--checkpoint-every', '4'];
    expect((await krona(...training('whole.safetensors', ...steps))).code).toBe(0);
    const stopped = await kronaProcess(
      training('stopped.safetensors', ...steps, '--json'),
      ({ stderr }, kill) => {
        // Where stderr is no terminal, progress comes as lines, at most one a tenth of the way.
        if (/training (5|6|7)\/12/.test(stderr) && !stderr.includes('Stopping')) kill('SIGINT');
      },
    );
    expect(stopped.code).toBe(130);
    expect(JSON.parse(stopped.stdout)).toEqual({ error: { code: 'CANCELLED', message: 'Cancelled.' } });
    await expect(access(join(folder, 'stopped.safetensors'))).rejects.toThrow();
    const resumed = await krona(...training('stopped.safetensors', ...steps, '--resume', '--json'));
    expect(resumed.stderr).not.toMatch(/training [1-4]\/12/);
    expect(printed(resumed.stdout).loss).toHaveLength(12);
    const [one, other] = ['whole', 'stopped'].map((name) => readFile(join(folder, `${name}.safetensors`)));
    expect((await one!).equals(await other!)).toBe(true);
  });

  it('replaces a finished adapter only with --restart, and no folder or device at all', async () => {
    const steps = ['--steps', '1', '--json'];
    expect((await krona(...training('kept.safetensors', ...steps))).code).toBe(0);
    const kept = await readFile(join(folder, 'kept.safetensors'));
    const again = await krona(...training('kept.safetensors', ...steps, '--seed', '5'));
    expect(again.code).toBe(1);
    expect(again.stdout).toMatch(/RUN_FINISHED.*kept\.safetensors exists already.*--restart/);
    expect(await readFile(join(folder, 'kept.safetensors'))).toEqual(kept);
    expect((await krona(...training('kept.safetensors', ...steps, '--seed', '5', '--restart'))).code).toBe(0);
    expect(await readFile(join(folder, 'kept.safetensors'))).not.toEqual(kept);

    // A checkpoint of a run whose result was thrown away is as dear.
    const checkpoints = ['--steps', '2', '--checkpoint-every', '1', '--json'];
    await rename(join(folder, 'kept.safetensors'), join(folder, 'best-000001.safetensors'));
    const best = await krona(...training('best.safetensors', ...checkpoints));
    expect(best.stdout).toMatch(/RUN_FINISHED.*best-000001\.safetensors exists already/);
    expect((await krona(...training('best.safetensors', ...checkpoints, '--restart'))).code).toBe(0);

    const pipe = join(folder, 'pipe.safetensors');
    execFileSync('mkfifo', [pipe]);
    for (const words of [
      training('pipe.safetensors', ...steps, '--restart'),
      training('other.safetensors', ...steps, '--trace', pipe),
      training('other.safetensors', ...steps, '--trace', folder),
      training('other.safetensors', ...steps, '--trace', ''),
      training('new/', ...steps),
    ]) {
      const refused = await krona(...words);
      expect(refused.stdout).toContain('"FILE_UNWRITABLE"');
    }
    expect((await stat(pipe)).isFIFO()).toBe(true);
  });

  it('records a trace with what another implementation needs', async () => {
    const trace = join(folder, 'trace.safetensors');
    expect(
      (await krona(...training('traced.safetensors', '--steps', '2', '--batch', '2', '--trace', trace))).code,
    ).toBe(0);
    const { tensors, metadata } = await openSafetensors(trace);
    expect(tensors.get('latents.1')!.shape).toEqual([2, 4, 8, 8]);
    expect(tensors.get('timesteps.0')).toMatchObject({ dtype: 'I64', shape: [2] });
    expect(tensors.get('factors.2.mid_block.attentions.0.transformer_blocks.0.attn1.to_q.a')!.shape).toEqual([
      4, 2,
    ]);
    expect(JSON.parse(metadata.get('scale')!)).toBe(1);
  });

  it.each([
    [
      'a factor that does not divide',
      ['--a1', '7'],
      'FACTORS_UNFIT',
      /a1=7 does not divide \d+ .*choose 1, 2, 4, 8/,
    ],
    ['a learning rate of 0', ['--lr', '0'], 'OPTION_INVALID', /`--lr` must be a number above 0/],
    ['a learning rate of -1', ['--lr', '-1'], 'OPTION_INVALID', /`--lr` must be/],
    ['a learning rate of 1e9', ['--lr', '1e9'], 'OPTION_INVALID', /“1e9”/],
    ['a learning rate in words', ['--lr', 'fast'], 'OPTION_INVALID', /“fast”/],
    ['a method that is none', ['--method', 'dora'], 'OPTION_INVALID', /krona, lora, full/],
    ['a rank of 0', ['--method', 'lora', '--rank', '0'], 'OPTION_INVALID', /`--rank` must be/],
    ['a rank above the widths', ['--method', 'lora', '--rank', '17'], 'RANK_UNFIT', /at most 16/],
    ['factors that are no list', ['--factors', 'k=8'], 'OPTION_INVALID', /k:8x64/],
    ['factors that do not divide', ['--factors', 'k:5x8'], 'FACTORS_UNFIT', /a1=5 does not divide/],
    ['targets that are none', ['--targets', 'vae'], 'OPTION_INVALID', /attention, feed-forward/],
    ['no step', ['--steps', '0'], 'OPTION_INVALID', /`--steps` must be a whole number from 1/],
    ['a size that the model cannot draw', ['--resolution', '60'], 'SIZE_UNFIT', /choose 56 or 64/],
    ['no photos', ['--photos', TINY], 'PHOTOS_MISSING', /holds no photos/],
    ['no model', ['--model', '/nowhere'], 'MODEL_NOT_FOUND', /nowhere/],
  ])('refuses %s at once', async (_, wrong, code, message) => {
    const { stdout, code: exit } = await krona(...training('never.safetensors', ...wrong, '--json'));
    expect(exit).toBe(1);
    expect(JSON.parse(stdout)).toEqual({
      error: { code, message: expect.stringMatching(message) as string },
    });
  });
});

describe('krona imagine', () => {
  it('draws the pictures of diffusers with --noise torch', async () => {
    const out = join(folder, 'parity');
    const words = ['--prompt', 'a photo of a cat', '--negative', 'blurry, low quality', '--noise', 'torch'];
    const sizes = ['--width', '64', '--height', '32', '--count', '2', '--steps', '10', '--guidance', '5'];
    const drawing = ['imagine', '--model', TINY, ...words, ...sizes, '--seed', '11', '--out', out, '--json'];
    const { images, seed, secondsPerImage } = printed((await krona(...drawing)).stdout);
    expect([images.length, seed]).toEqual([2, 11]);
    expect(secondsPerImage).toBeGreaterThan(0);
    const { tensors } = await openSafetensors(join(ROOT, 'test/fixtures/sdxl-tiny/runs.safetensors'));
    const expected = await readFloats(tensors.get('euler-negative.image')!);
    const area = 64 * 32;
    for (const [n, path] of images.entries()) {
      const { data, info } = await sharp(path).raw().toBuffer({ resolveWithObject: true });
      expect(info).toMatchObject({ width: 64, height: 32, channels: 3 });
      for (let i = 0; i < area; i++)
        for (let c = 0; c < 3; c++) {
          const unit = Math.min(1, Math.max(0, expected[(n * 3 + c) * area + i]! / 2 + 0.5));
          expect(Math.abs(data[i * 3 + c]! - unit * 255)).toBeLessThan(1);
        }
    }
  });

  it('starts from an image, in its shape, and changes it as much as --strength allows', async () => {
    const image = join(folder, 'image.png');
    const raw = { width: 48, height: 24, channels: 3 } as const;
    const gradient = Buffer.from(Uint8Array.from({ length: 48 * 24 * 3 }, (_, i) => (i * 5) % 256));
    await sharp(gradient, { raw }).toFile(image);
    const pictures = await Promise.all(
      ['0.1', '1'].map(async (strength) => {
        const words = [
          'imagine',
          '--model',
          TINY,
          '--prompt',
          'a cat',
          '--image',
          image,
          '--strength',
          strength,
        ];
        const out = join(folder, `from-image-${strength}`);
        const drawn = await krona(
          ...words,
          '--steps',
          '10',
          '--seed',
          '3',
          '--tiles',
          'off',
          '--out',
          out,
          '--json',
        );
        const { data, info } = await sharp(printed(drawn.stdout).images[0])
          .raw()
          .toBuffer({ resolveWithObject: true });
        expect(info).toMatchObject(raw);
        return data;
      }),
    );
    expect(pictures[0]!.equals(pictures[1]!)).toBe(false);
  });

  it('reads flags and alternatives in a prompt, and writes the settings into the files on request', async () => {
    const draw = async (out: string, prompt: string, ...more: string[]) => {
      const words = ['imagine', '--model', TINY, '--out', join(folder, out), '--json', '--prompt', prompt];
      return printed((await krona(...words, ...more)).stdout);
    };
    const { images, seed } = await draw(
      'signs',
      'a {red|blue} cat --no dog --seed 5 --steps 2',
      '--parameters',
    );
    expect(seed).toBe(5);
    expect(images).toHaveLength(2);
    const texts = await Promise.all(images.map(async (image) => (await readFile(image)).toString('latin1')));
    expect(texts[0]).toMatch(
      /parameters\0a red cat\nNegative prompt: dog\nSteps: 2, CFG scale: [\d.]+, Seed: 5, Size: /,
    );
    expect(texts[1]).toContain('a blue cat');
    const plain = await draw('plain', 'a blue cat', '--negative', 'dog', '--seed', '5', '--steps', '2');
    expect(await readFile(plain.images[0]!, 'latin1')).not.toContain('parameters');
    const pixels = (image: string) => sharp(image).raw().toBuffer();
    expect(await pixels(images[1]!)).toEqual(await pixels(plain.images[0]!));
  });

  it('draws the part of an image again that a word or a file says', async () => {
    const image = join(folder, 'whole.png');
    const raw = { width: 64, height: 64, channels: 3 } as const;
    await sharp(Buffer.alloc(64 * 64 * 3, 90), { raw }).toFile(image);
    const mask = join(folder, 'left.png');
    const white = Buffer.from(Uint8Array.from({ length: 64 * 64 }, (_, i) => (i % 64 < 32 ? 255 : 0)));
    await sharp(white, { raw: { ...raw, channels: 1 } }).toFile(mask);
    const draw = async (part: string) => {
      const words = ['imagine', '--model', TINY, '--prompt', 'a cat', '--image', image, '--mask', part];
      const out = join(folder, `part-${basename(part)}`);
      const { stdout } = await krona(...words, '--steps', '3', '--seed', '3', '--out', out, '--json');
      return sharp(printed(stdout).images[0]).raw().toBuffer({ resolveWithObject: true });
    };
    const [word, file, wider] = [await draw('left'), await draw(mask), await draw('wider')];
    expect(word.data).toEqual(file.data);
    const columns = (from: number, to: number) =>
      [...word.data].filter((_, i) => Math.floor(i / 3) % 64 >= from && Math.floor(i / 3) % 64 < to);
    expect(new Set(columns(52, 64))).toEqual(new Set([90]));
    expect(new Set(columns(0, 32)).size).toBeGreaterThan(3);
    expect(wider.info.width).toBeGreaterThan(wider.info.height);
  });

  it('says that a negative prompt has no effect without guidance', async () => {
    const words = ['imagine', '--model', TINY, '--prompt', 'a cat', '--negative', 'a dog', '--steps', '1'];
    const draw = (guidance: string) =>
      krona(...words, '--guidance', guidance, '--out', join(folder, 'negative'));
    const without = await draw('1');
    expect(without.stderr).toContain('Without effect: --negative. For that, give --guidance above 1.');
    expect((await draw('2')).stderr).not.toContain('Without effect');
  });

  it('lets a second model take over', async () => {
    const words = [
      'imagine',
      '--model',
      TINY,
      '--refiner',
      TINY,
      '--refine-from',
      '0.5',
      '--prompt',
      'a cat',
    ];
    const more = ['--steps', '4', '--seed', '3', '--guidance-rescale', '0.5', '--json'];
    const { images } = printed((await krona(...words, ...more, '--out', join(folder, 'refined'))).stdout);
    expect(images).toHaveLength(1);
  });

  it('draws with a PEFT folder, and with a converted file of another trainer', async () => {
    const files = join(ROOT, 'test/fixtures/adapters');
    const lokr = join(folder, 'converted.safetensors');
    const words = ['adapter', 'convert', join(files, 'peft-lokr'), '--to', 'lokr', '--out', lokr];
    const converted = await krona(...words, '--model', TINY);
    expect(converted.stdout).toContain('ΔW is the same');
    const images = await Promise.all(
      [join(files, 'peft-lokr'), lokr].map(async (adapter, n) => {
        const drawing = [
          'imagine',
          '--model',
          TINY,
          '--adapter',
          adapter,
          '--prompt',
          'a cat',
          '--steps',
          '2',
        ];
        const out = join(folder, `exchanged-${n}`);
        const drawn = await krona(...[...drawing, '--seed', '3', '--out', out, '--json']);
        return sharp(printed(drawn.stdout).images[0]).raw().toBuffer();
      }),
    );
    expect(images[0]!.equals(images[1]!)).toBe(true);
    const lossy = [
      'adapter',
      'convert',
      lokr,
      '--to',
      'lora',
      '--rank',
      '2',
      '--out',
      join(folder, 'near.safetensors'),
    ];
    expect((await krona(...lossy, '--model', TINY)).stdout).toMatch(/ΔW differs by \d+\.\d\d% of its norm/);
  });

  it.each([
    ['another adapter file', ['--adapter', 'none.safetensors'], 'FILE_NOT_FOUND'],
    ['a strength that is no number', ['--adapter', 'a.safetensors:1.2.3'], 'OPTION_INVALID'],
    ['an empty prompt', ['--prompt', ' '], 'OPTION_EMPTY'],
    ['an endless prompt', ['--prompt', 'cat '.repeat(2501)], 'OPTION_TOO_LONG'],
    ['an unknown scheduler', ['--scheduler', 'eular'], 'OPTION_INVALID'],
    ['a size that the model cannot draw', ['--width', '65'], 'SIZE_UNFIT'],
    ['an image that is none', ['--image', TINY], 'IMAGE_INVALID'],
    ['a strength of no image', ['--strength', '0.5'], 'OPTION_INVALID'],
    ['a mask of no image', ['--mask', 'left'], 'OPTION_INVALID'],
    ['an unknown flag in the prompt', ['--prompt', 'a cat --v 6'], 'PROMPT_FLAG_UNKNOWN'],
    ['a seed twice', ['--prompt', 'a cat --seed 5', '--seed', '6'], 'OPTION_TWICE'],
    ['a style', ['--prompt', 'a cat --style ink'], 'PROMPT_FLAG_UNKNOWN'],
    ['a weight out of range', ['--prompt', 'a (cat:3)'], 'PROMPT_WEIGHT_INVALID'],
    ['a takeover by no refiner', ['--refine-from', '0.8'], 'OPTION_INVALID'],
    ['a device that nobody has heard of', ['--device', 'abacus'], 'OPTION_INVALID'],
    ['a refiner of another family', ['--refiner', SD15], 'REFINER_UNFIT'],
  ])('refuses %s', async (_, wrong, code) => {
    const words = ['imagine', '--model', TINY, '--prompt', 'a cat', '--out', join(folder, 'never')];
    const { stdout, code: exit } = await krona(...[...words, ...wrong, '--json']);
    expect(exit).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code } });
  });
});
