/** `steps:auto` in chat and on the command line: a bound, with the best checkpoint kept. */
import { expect, it } from 'vitest';
import { DEFAULT_SETTINGS } from '../../core/settings/defaults.ts';
import { readSetting, withOptions } from '../../core/settings/read.ts';
import { inChat } from '../../core/settings/schema.ts';

it('sets a bound of steps that suits the model, and keeps the best checkpoint', () => {
  expect(withOptions(DEFAULT_SETTINGS, { steps: 'Auto' }, null)).toEqual({
    ...DEFAULT_SETTINGS,
    steps: 1000,
    keep: 'best',
  });
});

it('leaves what is given beside it', () => {
  expect(withOptions(DEFAULT_SETTINGS, { steps: 'auto', keep: 'last' }, null)).toMatchObject({
    steps: 1000,
    keep: 'last',
  });
  expect(withOptions(DEFAULT_SETTINGS, { steps: '50' }, null)).toEqual({ ...DEFAULT_SETTINGS, steps: 50 });
});

it('is offered where anything else is refused', () => {
  expect(() => readSetting(inChat('steps'), 'many')).toThrow(
    '`steps` must be a whole number from 1 to 5000, or auto; you gave “many”.',
  );
});
