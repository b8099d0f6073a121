import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { ModelCard } from '../../core/settings/model-card.ts';
import { defaultOf, defaultText, DEFAULT_SETTINGS, startingSettings } from '../../core/settings/defaults.ts';
import { DRAW_SETTINGS } from '../../core/settings/draw-table.ts';
import { readSetting, withOptions } from '../../core/settings/read.ts';
import {
  ALL_CHAT_SETTINGS,
  inChat,
  onCommandLine,
  SETTINGS,
  showSetting,
} from '../../core/settings/schema.ts';
import { TRAIN_SETTINGS } from '../../core/settings/train-table.ts';
import type { Setting } from '../../core/settings/setting.ts';
import { PAGE, withSettings } from '../../tools/settings-page.ts';

const all: [string, Setting][] = Object.entries(SETTINGS);
const SDXL: ModelCard = {
  name: 'sdxl',
  architecture: 'sdxl',
  nativeSize: 1024,
  sizeMultiple: 8,
  projections: [{ path: 'p', out: 1280, in: 640 }],
};

describe('the table of settings', () => {
  it.each(all)('has what every platform needs of %s', (key, setting) => {
    expect(setting.chat ?? setting.cli).toBeDefined();
    for (const { description } of [setting, { ...setting, ...setting.chat }]) {
      expect([...description].length).toBeLessThanOrEqual(100);
      expect(description).not.toMatch(/\.$/);
    }
    expect(setting.chat?.name ?? 'a').toMatch(/^[a-z][a-z0-9_]{0,31}$/);
    expect(setting.cli?.name ?? 'a').toMatch(/^[a-z][a-z0-9-]*$/);
    // Help names the value of everything but flags.
    if (setting.cli) expect(setting.cli.value === undefined, key).toBe(setting.type === 'flag');
  });

  it('has each spelling once', () => {
    const once = (names: readonly string[]) => expect(new Set(names).size).toBe(names.length);
    once(all.flatMap(([, { chat }]) => chat?.name ?? []));
    for (const table of [TRAIN_SETTINGS, DRAW_SETTINGS])
      once(Object.values<Setting>(table).flatMap(({ cli }) => cli?.name ?? []));
  });

  it('has defaults within its own bounds', () => {
    for (const [, setting] of all) {
      const { default: value } = setting;
      const defaults =
        value !== null && typeof value === 'object'
          ? [value.small, value.large, value.sdxl ?? value.large]
          : [value];
      for (const each of defaults.filter((one) => one !== null))
        expect(readSetting({ ...setting, name: 'it' }, each)).toBe(each);
    }
  });

  it('keeps every setting when it is shown and typed again', () => {
    const odd = { ...DEFAULT_SETTINGS, flip: true, size: '64x96', batch: 2, scheduler: 'euler' } as const;
    for (const settings of [DEFAULT_SETTINGS, odd]) {
      const typed: Record<string, string> = {};
      for (const key of ALL_CHAT_SETTINGS) typed[inChat(key).name] = showSetting(settings, key);
      expect(withOptions(DEFAULT_SETTINGS, typed, null)).toEqual(settings);
    }
  });

  it('matches docs/training.md; `npm run docs` writes it', async () => {
    const page = await readFile(PAGE, 'utf8');
    expect(await withSettings(page)).toBe(page);
  });
});

describe('settings to start from', () => {
  it('are the embedded model’s where no model is known', () => {
    expect(DEFAULT_SETTINGS).toEqual({
      method: 'krona',
      a1: 2,
      a2: 2,
      rank: 4,
      alpha: 4,
      lr: 2e-3,
      steps: 500,
      targets: 'attention,feed-forward',
      previews: true,
      batch: null,
      lrSchedule: 'constant',
      warmup: 0,
      prior: 0,
      mask: 'off',
      crop: 'center',
      flip: false,
      keep: 'last',
      buckets: false,
      priorL2: 5e-4,
      minSnr: 0,
      offsetNoise: null,
      guidance: 3,
      rescale: 0,
      scheduler: null,
      samplingSteps: 20,
      speed: null,
      quality: 'exact',
      negative: null,
      size: null,
      refine: 0,
      count: 4,
      split: 'auto',
      upscale: 'redraw',
    });
  });

  it('are the paper’s for SDXL, and diffusers’ guidance for others', () => {
    expect(startingSettings(SDXL)).toEqual({
      ...DEFAULT_SETTINGS,
      ...{ a1: 4, a2: 64, lr: 5e-4, steps: 1000, targets: 'attention', priorL2: 0 },
      ...{ samplingSteps: 30, guidance: 7 },
    });
    expect(startingSettings({ ...SDXL, architecture: 'sd1' }).guidance).toBe(7.5);
    expect([defaultOf('batch', SDXL), defaultOf('batch')]).toEqual([1, 4]);
  });

  it('appear in help with large models first', () => {
    expect(defaultText(SETTINGS.guidance)).toBe('7.5; SDXL: 7; small models: 3');
    expect(defaultText(SETTINGS.offsetNoise)).toBe('0; SDXL: 0.0357');
    expect(defaultText(SETTINGS.checkpointing)).toBe('on; small models: off');
  });
});

describe('a setting', () => {
  const cli = (key: keyof typeof SETTINGS) => onCommandLine(SETTINGS[key])!;

  it('has the bounds and name of the chat or the command line', () => {
    expect(readSetting(cli('steps'), '6000')).toBe(6000);
    expect(() => readSetting(inChat('steps'), '6000')).toThrow(
      '`steps` must be a whole number from 1 to 5000',
    );
    expect(() => readSetting(cli('steps'), '0')).toThrow(
      '`--steps` must be a whole number from 1 to 1000000',
    );
    expect(readSetting(cli('mask'), 'file')).toBe('file');
    expect(() => readSetting(inChat('mask'), 'file')).toThrow('one of off, auto, alpha, border');
  });

  it('that is a list takes its parts in any order', () => {
    expect(readSetting(cli('targets'), 'text-encoders, attention')).toBe('attention,text-encoders');
    expect(readSetting(cli('targets'), 'feed-forward')).toBe('feed-forward');
    expect(() => readSetting(cli('targets'), 'vae')).toThrow(
      'one or more of attention, feed-forward, text-encoders, with commas between; you gave “vae”',
    );
    expect(() => readSetting(inChat('targets'), 'feed-forward')).toThrow(
      '`targets` must be one of attention, attention,feed-forward, ',
    );
  });

  it('that is “model” is null, in any case', () => {
    expect(readSetting(inChat('size'), ' Model ')).toBeNull();
    expect(readSetting(inChat('size'), '64×96')).toBe('64x96');
    expect(readSetting(inChat('scheduler'), 'model')).toBeNull();
  });
});
