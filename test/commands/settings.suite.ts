import { expect, it } from 'vitest';
import { DEFAULT_SETTINGS } from '../../core/settings/defaults.ts';
import { MODEL, photo, Room } from './helpers.ts';
import type { Storage } from '../../storage/open.ts';

/** A channel's settings, as members change them. */
export function settingsSuite(storage: () => Storage): void {
  const room = (): Room => new Room(storage());

  it('are shown, changed from old to new, and belong to the channel', async () => {
    const [here, there] = [room(), room()];
    const shown = await here.say('ann', '/krona settings');
    expect(shown.table!.rows.find(([name]) => name === 'a1')![1]).toBe(String(DEFAULT_SETTINGS.a1));
    const changed = await here.say(
      'ann',
      '/krona settings a1:8 a2:64 lr:5e-4 sampling_steps:30 scheduler:euler',
    );
    expect(changed.fields).toEqual(
      [
        { name: 'a1', value: '2 → 8' },
        { name: 'a2', value: '2 → 64' },
        { name: 'lr', value: '0.002 → 0.0005' },
        { name: 'scheduler', value: 'model → euler' },
        { name: 'sampling_steps', value: '20 → 30' },
      ].sort((a, b) => order(a.name) - order(b.name)),
    );
    // Σ a1·a2 + (out/a1)·(in/a2) of the four projections.
    expect(changed.text!.join()).toContain('14,368 parameters');
    expect((await here.actor('bob')).channel.settings).toMatchObject({ a1: 8, lr: 5e-4, scheduler: 'euler' });
    expect((await there.actor('ann')).channel.settings).toEqual(DEFAULT_SETTINGS);
    await here.say('ann', '/krona settings scheduler:model');
    expect((await here.actor('ann')).channel.settings.scheduler).toBeNull();
    expect(await here.say('ann', '/krona settings a1:8')).toMatchObject({ title: 'No change' });
  });

  it("that don't fit the model are refused with a projection and all values that fit", async () => {
    const channel = room();
    expect(await channel.refusal('ann', '/krona settings a1:7')).toBe(
      'FACTORS_UNFIT: a1=7 does not divide 1280 (down_blocks.2 … to_q); ' +
        'choose 1, 2, 4, 5, 8, 10, 16, 20, 32, 40, 64, 80, 128, 160, 320, 640.',
    );
    expect(await channel.refusal('ann', '/krona settings a2:5')).toBe(
      'FACTORS_UNFIT: a2=5 does not divide 2048 (down_blocks.2 … to_k); choose 1, 2, 4, 8, 16, 32, 64, 128.',
    );
    expect(await channel.refusal('ann', '/krona settings a1:3 a2:3')).toMatch(/a1=3 .* a2=3 /);
    expect((await channel.actor('ann')).channel.settings).toEqual(DEFAULT_SETTINGS);
  });

  it('keep a learning rate that suits the method, unless one is given', async () => {
    const channel = room();
    const changed = await channel.say('ann', '/krona settings method:full');
    expect(changed.fields).toEqual([
      { name: 'method', value: 'krona → full' },
      { name: 'lr', value: '0.002 → 0.0002' },
    ]);
    await channel.say('ann', '/krona settings lr:1e-5');
    expect((await channel.actor('ann')).channel.settings).toMatchObject({ method: 'full', lr: 1e-5 });
    await channel.say('ann', '/krona settings method:krona');
    expect((await channel.actor('ann')).channel.settings).toMatchObject({ method: 'krona', lr: 1e-4 });
    await channel.say('ann', '/krona settings method:lora lr:1e-3');
    expect((await channel.actor('ann')).channel.settings).toMatchObject({ method: 'lora', lr: 1e-3 });
  });

  it('have a rank and an alpha for lora, whose ratio is kept unless both are given', async () => {
    const channel = room();
    const changed = await channel.say('ann', '/krona settings method:lora rank:8 alpha:4');
    expect(changed.fields).toEqual([
      { name: 'method', value: 'krona → lora' },
      { name: 'rank', value: '4 → 8' },
    ]);
    // Σ rank·(out + in) of the four projections.
    expect(changed.text!.join()).toContain('77,824 parameters');
    const again = await channel.say('ann', '/krona settings rank:16');
    expect(again.fields).toEqual([
      { name: 'rank', value: '8 → 16' },
      { name: 'alpha', value: '4 → 8' },
    ]);
    expect((await channel.actor('ann')).channel.settings).toMatchObject({ rank: 16, alpha: 8 });
    expect(await channel.refusal('ann', '/krona settings rank:1000')).toMatch(
      /^RANK_UNFIT: `rank` is 1000, too high for 640×\d+ .* choose at most 640\./,
    );
    expect((await channel.actor('ann')).channel.settings).toMatchObject({ rank: 16, alpha: 8 });
  });

  it.each([
    ['rank:0', /`rank` must be a whole number from 1 to 1280/],
    ['alpha:0', /`alpha` must be a number above 0/],
    ['lr:0', /`lr` must be a number above 0 and at most 0\.1; you gave “0”/],
    ['lr:-1', /`lr` must be .*“-1”/],
    ['lr:1e9', /`lr` must be .*“1e9”/],
    ['lr:fast', /`lr` must be .*“fast”/],
    ['lr:nan', /`lr` must be/],
    ['lr:0x10', /`lr` must be/],
    ['a1:0', /`a1` must be a whole number of at least 1/],
    ['a1:2.5', /`a1` must be a whole number/],
    ['steps:5001', /`steps` must be a whole number from 1 to 5000/],
    ['guidance:0.5', /`guidance` must be a number from 1 to 30/],
    ['sampling_steps:151', /`sampling_steps` must be a whole number from 1 to 150/],
    ['rescale:2', /`rescale` must be a number from 0 to 1/],
    ['refine:1', /`refine` must be a number from 0 to 0\.95/],
    ['size:wide', /`size` must be width and height in pixels, as 1024x768, or model; you gave “wide”/],
    [
      'size:100x128',
      /^SIZE_UNFIT: `width` is 100, not a multiple of 8, which sdxl-like needs; choose 96 or 104/,
    ],
    ['size:128x0', /^SIZE_UNFIT: `height` is 0, not a multiple of 8/],
    [
      'size:512',
      /^SIZE_UNFIT: `width` is 512, which doesn't suit sdxl-like: it was trained on 128 pixels; choose 64 to 256/,
    ],
    ['refine:0.2', /^REFINER_MISSING: `refine` is 0\.2, but the worker has no refiner for sdxl-like/],
    ['batch:0', /`batch` must be a whole number from 1 to 16, or model; you gave “0”/],
    ['offset_noise:2', /`offset_noise` must be a number from 0 to 1/],
    ['offset_noise:much', /`offset_noise` must be a number from 0 to 1, or model; you gave “much”/],
    ['mask:file', /`mask` must be one of off, auto, alpha, border/],
    ['targets:text', /`targets` must be one of attention, attention,feed-forward, /],
    ['flip:perhaps', /`flip` must be yes or no/],
    ['prior:201', /`prior` must be a whole number from 0 to 200/],
    ['warmup:501', /^WARMUP_UNFIT: `warmup` is 501, longer than the run of 500 steps; choose at most 500/],
    [
      'method:full targets:attention,text-encoders',
      /^TARGETS_UNSUPPORTED: .*`targets` is for krona and lora only. Choose targets:attention/,
    ],
    ['count:5', /`count` must be a whole number from 1 to 4/],
    ['method:kronna', /`method` must be one of krona, lora, full;.*“krona”\?/],
    ['scheduler:eular', /`scheduler` must be one of model, ddim,.*“euler”\?/],
  ])('with %s are refused, together with the rest of the line', async (bad, message) => {
    const channel = room();
    expect(
      await channel.refusal(
        'ann',
        `/krona settings set guidance:7 ${bad}`.replace('guidance:7 guidance', 'guidance'),
      ),
    ).toMatch(message);
    expect((await channel.actor('ann')).channel.settings).toEqual(DEFAULT_SETTINGS);
  });

  it('include drawing: size, rescaled guidance, and the refiner if the worker has one', async () => {
    const channel = room();
    const { records } = storage();
    const changed = await channel.say('ann', '/krona settings size:160×96 rescale:0.7');
    expect(changed.fields).toEqual([
      { name: 'rescale', value: '0 → 0.7' },
      { name: 'size', value: 'model → 160x96' },
    ]);
    const drawn = async (line: string) => (await channel.set(await channel.say('ann', line))).settings;
    expect(await drawn('/krona imagine a cat')).toMatchObject({ size: '160x96', rescale: 0.7, refine: 0 });
    expect(
      await drawn('/krona imagine a cat size:64 rescale:0 guidance:9 scheduler:euler steps:7'),
    ).toMatchObject({ size: '64x64', rescale: 0, guidance: 9, scheduler: 'euler', samplingSteps: 7 });
    expect(await drawn('/krona imagine a cat size:model')).toMatchObject({ size: null, scheduler: null });
    expect(await channel.refusal('ann', '/krona imagine a cat size:60')).toMatch(
      /^SIZE_UNFIT: `width` is 60/,
    );
    expect(await channel.refusal('ann', '/krona imagine a cat refine:0.2')).toMatch(/^REFINER_MISSING/);

    await records.saveModelCard({ ...MODEL, refiner: 'sdxl-refiner' });
    try {
      expect(await drawn('/krona imagine a cat refine:0.2')).toMatchObject({ refine: 0.2 });
      await channel.say('ann', '/krona settings refine:0.3');
      const card = await channel.say('ann', '/krona imagine a cat');
      const details = await channel.press('ann', `details:${card.follows!.id}`);
      expect(details.fields).toEqual(
        expect.arrayContaining([
          { name: 'guidance rescale', value: '0.7' },
          { name: 'size', value: '160x96' },
          { name: 'refiner share', value: '0.3' },
        ]),
      );
    } finally {
      await records.saveModelCard(MODEL);
    }
    // The refiner is gone: told before anything is queued.
    expect(await channel.refusal('ann', '/krona imagine a cat')).toMatch(
      /^REFINER_MISSING: `refine` is 0\.3/,
    );
    expect(await drawn('/krona imagine a cat refine:0')).toMatchObject({ refine: 0 });
  });

  it('include training, apply to every run of the channel, and show on its card', async () => {
    const channel = room();
    const changed = await channel.say(
      'ann',
      '/krona settings prior:50 mask:auto crop:random flip:yes buckets:on min_snr:5 offset_noise:0.05 ' +
        'lr_schedule:cosine warmup:20 batch:2',
    );
    expect(changed.fields).toEqual([
      { name: 'batch', value: 'model → 2' },
      { name: 'lr_schedule', value: 'constant → cosine' },
      { name: 'warmup', value: '0 → 20' },
      { name: 'prior', value: '0 → 50' },
      { name: 'mask', value: 'off → auto' },
      { name: 'crop', value: 'center → random' },
      { name: 'flip', value: 'no → yes' },
      { name: 'buckets', value: 'no → yes' },
      { name: 'min_snr', value: '0 → 5' },
      { name: 'offset_noise', value: 'model → 0.05' },
    ]);
    const card = await channel.say('bob', '/krona train mochi cat', [await photo(1)]);
    expect((await channel.run(card)).settings).toMatchObject({
      prior: 50,
      mask: 'auto',
      crop: 'random',
      flip: true,
      buckets: true,
      minSnr: 5,
      offsetNoise: 0.05,
      lrSchedule: 'cosine',
      warmup: 20,
      batch: 2,
      targets: 'attention,feed-forward',
    });
    expect(card.fields!.find(({ name }) => name === 'training')!.value).toBe(
      'krona 2×2, lr 0.002, batch 2, lr_schedule cosine, warmup 20, prior 50, mask auto, crop random, flip yes, ' +
        'buckets yes, min_snr 5, offset_noise 0.05, 500 steps',
    );
    const back = await channel.say('ann', '/krona settings offset_noise:0 batch:model prior:0 flip:no');
    expect(back.fields!.map(({ value }) => value)).toEqual(['2 → model', '50 → 0', 'yes → no', '0.05 → 0']);
    expect((await channel.actor('ann')).channel.settings).toMatchObject({ batch: null, offsetNoise: 0 });
  });

  it('have targets, whose projections are counted and must be divisible too', async () => {
    const channel = room();
    const { records } = storage();
    const textEncoder = {
      path: 'text_encoder.text_model.encoder.layers.0.self_attn.q_proj',
      out: 768,
      in: 768,
    };
    const furtherProjections = { 'feed-forward': [], 'text-encoders': [textEncoder] };
    await records.saveModelCard({ ...MODEL, furtherProjections });
    try {
      const changed = await channel.say('ann', '/krona settings a1:4 targets:attention,text-encoders');
      const before = await channel.say('ann', '/krona settings targets:attention');
      const count = (card: typeof changed) =>
        Number(/has ([\d,]+) parameters/.exec(card.text!.join())![1]!.replaceAll(',', ''));
      // a1·a2 + (out/a1)·(in/a2) of the text encoder's.
      expect(count(changed) - count(before)).toBe(4 * 2 + (768 / 4) * (768 / 2));
      await channel.say('ann', '/krona settings a1:5');
      expect(await channel.refusal('ann', '/krona settings targets:attention,text-encoders')).toMatch(
        /^FACTORS_UNFIT: a1=5 does not divide 768 \(text_encoder … q_proj\)/,
      );
      await channel.say('ann', '/krona settings a1:4 rank:640 targets:attention,text-encoders method:lora');
      expect(await channel.refusal('ann', '/krona train mochi cat method:full', [await photo(1)])).toMatch(
        /^TARGETS_UNSUPPORTED/,
      );
    } finally {
      await records.saveModelCard(MODEL);
    }
  });

  it('keep the changes of two members at once', async () => {
    const channel = room();
    await Promise.all([
      channel.say('ann', '/krona settings steps:300'),
      channel.say('bob', '/krona settings guidance:6'),
    ]);
    expect((await channel.actor('ann')).channel.settings).toMatchObject({ steps: 300, guidance: 6 });
  });
}

const ORDER = [
  'method',
  'a1',
  'a2',
  'rank',
  'alpha',
  'lr',
  'steps',
  'guidance',
  'rescale',
  'scheduler',
  'sampling_steps',
  'size',
  'refine',
  'count',
];
const order = (name: string): number => ORDER.indexOf(name);
