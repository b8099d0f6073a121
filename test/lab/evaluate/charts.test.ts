import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { intervalChart, roundTicks } from '../../../lab/evaluate/charts.ts';

const interval = { estimate: 0.5, low: 0.4, high: 0.6, units: 5 };

describe('charts', () => {
  it('have a mark for each setting', () => {
    const chart = intervalChart(
      'A & B',
      ['1', '2'],
      [
        { name: 'krona', points: ['1', '2'].map((label) => ({ label, interval })) },
        { name: 'lora', points: [{ label: '2', interval }] },
      ],
    );
    expect(chart.match(/<circle/g)).toHaveLength(3);
    expect(chart).toContain('A &amp; B');
    expect(chart).not.toContain('NaN');
  });

  it('fit their values, with round numbers on the axis', () => {
    expect(roundTicks(0.571, 0.683)).toEqual([0.55, 0.6, 0.65, 0.7]);
    expect(roundTicks(-0.04, 0.137)).toEqual([-0.05, 0, 0.05, 0.1, 0.15]);
    expect(roundTicks(0.5, 0.5)).toEqual([0.5, 0.501]);
  });

  it('have room for a title that is wider than the columns', async () => {
    const title = "Krona's score on simple subjects by steps, of models";
    const chart = intervalChart(title, ['1'], [{ name: 'krona', points: [{ label: '1', interval }] }]);
    const { data, info } = await sharp(Buffer.from(chart))
      .extract({ left: 0, top: 4, width: Number(/width="(\d+)/.exec(chart)![1]), height: 18 })
      .greyscale()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const inked = [...data.keys()].filter((at) => data[at]! < 128).map((at) => at % info.width);
    expect(Math.max(...inked)).toBeGreaterThan(200);
    expect(Math.max(...inked)).toBeLessThan(info.width - 4);
  });
});
