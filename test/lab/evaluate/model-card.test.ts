import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { measureModel } from '../../../lab/evaluate/measure-model.ts';
import { measuredCard, writeMeasuredCard } from '../../../lab/evaluate/model-card.ts';
import type { ModelFigure, ModelReport } from '../../../lab/evaluate/model-report.ts';
import { defaultConfigPath } from '../../../lab/pretrain/pretrain-config.ts';

const CARD = `---
license: other
---

# tiny

Draws.

## Measured

| leniently |
|---|
| 99 % |

## Limits

No photographs.

## Art and licences

By many.
`;

function report(style: number, pair: number): ModelReport {
  const figure = (question: string, share: number, goal: number | null): ModelFigure => ({
    kind: question === 'both shown' ? 'pair' : 'single',
    question,
    prompts: 10,
    model: { estimate: share, low: share - 0.1, high: share + 0.1, units: 10 },
    real: 1,
    restored: 0.9,
    goal,
  });
  const figures = [figure('style', style, 0.9), figure('both shown', pair, 0.5), figure('place', 0, null)];
  const sets = { model: { sharpness: 0.8, frechet: 3 }, restored: { sharpness: 0.9, frechet: 1 } };
  return { model: 'tiny', figures, copies: null, sets, classifiers: { styles: { 'twemoji top-1': 0.55 } } };
}

it('replaces the lenient table and names the missed goals', () => {
  const card = measuredCard(CARD, report(0.679, 0.6));
  expect(card).not.toContain('leniently |');
  expect(card).toContain('| single | style | 10 | 67.9% (57.9% to 77.9%) | 100.0% | 90.0% | ≥ 90.0% ✗ |');
  expect(card).toContain('- styles: twemoji top-1 55.0%');
  expect(card).toContain('sharpness (gradient energy) 0.80, goal 0.85 ✗; through the autoencoder 0.90.');
  expect(card).toMatch(
    /\n## Limits\n\nNo photographs\.\n\nIt misses [^\n]*:\n\n- single, style: 67\.9%, goal 90\.0%\n\n## Art and licences\n\nBy many\.\n$/,
  );
  expect(card.startsWith(CARD.slice(0, CARD.indexOf('## Measured')))).toBe(true);
  expect(card.match(/^## /gm)).toHaveLength(3);
});

it('gives the same text when written again, and replaces an earlier report', () => {
  const once = measuredCard(CARD, report(0.679, 0.1));
  expect(once).toContain('- pair, both shown: 10.0%, goal 50.0%');
  expect(measuredCard(once, report(0.679, 0.1))).toBe(once);
  const better = measuredCard(once, report(0.95, 0.7));
  expect(better).toContain('\n## Limits\n\nNo photographs.\n\n## Art');
  expect(better).not.toContain('misses');
});

it('is appended to a card without such sections', () => {
  const card = measuredCard('# other\n', report(0.5, 0.7));
  expect(card).toMatch(/^# other\n\n## Measured\n\n/);
  expect(card).toMatch(/\n\n## Limits\n\nIt misses [^\n]*:\n\n- single, style: 50\.0%, goal 90\.0%\n$/);
  expect(measuredCard(card, report(0.95, 0.7))).not.toContain('Limits');
});

let root: string;
beforeAll(async () => (root = await mkdtemp(join(tmpdir(), 'krona-card-'))));
afterAll(() => rm(root, { recursive: true, force: true }));

it('is refused for a model without a card, before anything is drawn', async () => {
  const model = join(root, 'model');
  await cp(join(import.meta.dirname, '../../fixtures/sdxl-tiny/model'), model, { recursive: true });
  const none = { single: 1, pair: 0, corner: 0, count: 0, recolour: 0 };
  let drawn = 0;
  const measuring = measureModel({
    model,
    config: defaultConfigPath,
    out: join(root, 'out'),
    counts: none,
    seeds: 1,
    card: true,
    onProgress: () => drawn++,
  });
  await expect(measuring).rejects.toMatchObject({ code: 'MODEL_CARD_MISSING' });
  expect(drawn).toBe(0);
  await writeFile(join(model, 'README.md'), CARD);
  await writeMeasuredCard(model, report(0.5, 0.7));
  expect(await readFile(join(model, 'README.md'), 'utf8')).toBe(measuredCard(CARD, report(0.5, 0.7)));
});
