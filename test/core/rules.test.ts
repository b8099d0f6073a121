import { describe, expect, it } from 'vitest';
import { safetyIn, type Safety } from '../../core/rules.ts';

const small = { nativeSize: 128 };
const large = { nativeSize: 1024 };
const discord = { platform: 'discord', ageRestricted: false } as const;

describe("the safety check without a moderator's choice", () => {
  it.each([
    ['a model of pictograms', discord, small, 'spoiler'],
    ['a model of pictograms on one’s own machine', { ...discord, platform: 'web' as const }, small, 'off'],
    ['a large model', discord, large, 'block'],
    ['a model that is not known yet', discord, null, 'block'],
    ['a large model where adults alone are let in', { ...discord, ageRestricted: true }, large, 'spoiler'],
    ['a large model at work', { ...discord, platform: 'slack' as const }, large, 'block'],
    ['a large model on one’s own machine', { ...discord, platform: 'web' as const }, large, 'spoiler'],
  ] as const)('with %s', (_, channel, model, expected) => {
    expect(safetyIn({ safety: null }, channel, model)).toBe(expected);
  });

  it.each(['off', 'spoiler', 'block'] satisfies Safety[])(
    'a moderator’s choice applies everywhere: %s',
    (safety) => {
      for (const channel of [discord, { ...discord, ageRestricted: true }])
        for (const model of [small, large, null]) expect(safetyIn({ safety }, channel, model)).toBe(safety);
    },
  );
});
