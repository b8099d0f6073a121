import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  Classifier,
  CLASSIFIER_SIDE,
  classifierView,
  ranked,
  saveClassifier,
} from '../../../lab/evaluate/classifier.ts';
import { makeClassifier } from '../../../lab/evaluate/make-classifiers.ts';
import { artSets } from '../../../lab/pretrain/concepts.ts';
import { judgeSprite, namedEmoji, openJudgeArt, plainName } from '../../../lab/evaluate/judge-art.ts';
import {
  drawSubject,
  readSubjects,
  subjectNotices,
  subjectPhotos,
  subjectSprite,
} from '../../../lab/evaluate/subjects.ts';
import {
  crossEntropy,
  sampleDrawing,
  startingParameters,
  trainClassifier,
} from '../../../lab/evaluate/train-classifier.ts';
import { compile } from '../../../gpu-worker/graph/compile.ts';
import { gradients } from '../../../gpu-worker/graph/gradients.ts';
import * as op from '../../../gpu-worker/graph/ops.ts';
import { Session } from '../../../gpu-worker/graph/runtime.ts';
import { readPretrainData } from '../../../lab/pretrain/pretrain-config.ts';
import sharp from 'sharp';
import { variation } from '../../helpers/variations.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-classifier-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const config = { widths: [8, 8, 16, 16], classes: ['pizza', 'rocket', 'umbrella'] } as const;

describe('the classifier', () => {
  it('learns to distinguish a few drawings, resumes to the same weights, and answers the same from its file', async () => {
    const art = await openJudgeArt();
    const drawings = await Promise.all(
      ['pizza', 'rocket', 'umbrella'].map(async (name, label) => ({
        sprite: await judgeSprite(art, 'emojione', name),
        label,
      })),
    );
    const training = {
      name: 'tiny',
      config,
      drawings,
      seed: 3,
      recolour: 0,
      settings: { batch: 12, steps: 60, lr: 1e-2, warmup: 5, averageDecay: 0.9 },
    };
    const whole = await trainClassifier(training, { folder: join(folder, 'whole') });

    const stop = new AbortController();
    const halved = { folder: join(folder, 'halved'), secondsBetweenSaves: 0 };
    const stopped = trainClassifier(training, {
      ...halved,
      signal: stop.signal,
      onProgress: ({ step }) => step === 7 && stop.abort(new Error('stopped')),
    });
    await expect(stopped).rejects.toThrow('stopped');
    const resumed = await trainClassifier(training, halved);
    for (const [name, values] of whole) expect(resumed.get(name), name).toEqual(values);

    const path = join(folder, 'tiny.safetensors');
    await saveClassifier(path, config, whole, { accuracies: { 'kept top-1': 0.5 }, sources: [] });
    const classifier = await Classifier.open(path);
    expect(classifier.classes).toEqual(config.classes);
    expect(classifier.accuracies).toEqual({ 'kept top-1': 0.5 });
    let right = 0;
    const picture = new Float32Array(3 * CLASSIFIER_SIDE ** 2);
    for (let index = 1000; index < 1030; index++) {
      const label = sampleDrawing(training, index, picture, 0);
      const { logits, features } = await classifier.classify(picture);
      expect(features).toHaveLength(16);
      if (ranked(logits, [0, 1, 2])[0] === label) right++;
    }
    await classifier.release();
    expect(right).toBeGreaterThanOrEqual(27);
  });

  it('refuses other files', async () => {
    const model = 'models/krona-emoji/vae/diffusion_pytorch_model.safetensors';
    await expect(Classifier.open(model)).rejects.toMatchObject({ code: 'CLASSIFIER_INVALID' });
  });

  it("has softmax's cross-entropy and its gradient", async () => {
    const logits = op.input('logits', [2, 3]);
    const asked = op.input('asked', [2, 3]);
    const loss = crossEntropy(logits, asked);
    const session = await Session.create(compile({ loss, gradient: gradients(loss, [logits])[0] }));
    const x = [1, 2, 0.5, -1, 0, 300];
    const y = [0, 1, 0, 0.2, 0.3, 0.5];
    const found = await session.run({ logits: Float32Array.from(x), asked: Float32Array.from(y) });
    await session.release();
    // First row by hand; in the second softmax is (0, 0, 1), whose logarithms are bounded at 1e-12.
    const e = [1, 2, 0.5].map(Math.exp);
    const p = e.map((value) => value / (e[0]! + e[1]! + e[2]!));
    expect(found.loss[0]).toBeCloseTo((-Math.log(p[1]!) - 0.5 * Math.log(1e-12)) / 2, 4);
    const gradient = found.gradient;
    [p[0]! / 2, (p[1]! - 1) / 2, p[2]! / 2].forEach((value, i) => expect(gradient[i]).toBeCloseTo(value, 5));
    expect([...gradient].every(Number.isFinite)).toBe(true);
  });

  it('sees parts of a picture, each pixel where it is', () => {
    const side = 128;
    const picture = Float32Array.from({ length: 3 * side * side }, (_, i) => i % side);
    const whole = classifierView(picture, side);
    expect([whole[0], whole[1], whole[63]]).toEqual([0.5, 2.5, 126.5]);
    const part = classifierView(picture, side, { left: 30, top: 10, part: 64 });
    expect([part[0], part[63], part[64]]).toEqual([30, 93, 30]);
    expect(startingParameters(config, 1).get('head.weight')).toHaveLength(48);
  });
});

describe('making a classifier', () => {
  variation('writes accuracy and credits into it, and refuses a folder of other drawings', async () => {
    const run = join(folder, 'made');
    const out = join(folder, 'out', 'styles.safetensors');
    const accuracies = await makeClassifier('styles', { run, out, steps: 2 });
    expect(Object.keys(accuracies)).toEqual(artSets.map((set) => `${set} top-1`));
    const made = await Classifier.open(out);
    expect(made.classes).toEqual(artSets);
    expect(made.accuracies).toEqual(accuracies);
    await made.release();
    expect(await readFile(join(folder, 'out', 'LICENSES.md'), 'utf8')).toContain('Twemoji');

    const note = join(run, 'styles', 'run.json');
    await writeFile(note, (await readFile(note, 'utf8')).replace(/twemoji \d+/, 'twemoji 0'));
    await expect(makeClassifier('styles', { run, out, steps: 2 })).rejects.toMatchObject({
      code: 'EVALUATION_MISMATCH',
      message: expect.stringMatching(/sources: .*twemoji 0.*choose another --run\./) as string,
    });
  });
});

describe('the subjects', () => {
  it('are twelve, of existing drawings that no model here was trained on, with photos on five backgrounds', async () => {
    const [recipe, art, data] = [await readSubjects(), await openJudgeArt(), await readPretrainData()];
    expect(recipe.subjects).toHaveLength(12);
    expect(recipe.prompts).toHaveLength(10);
    const words = data.concepts.flatMap(({ word, also }) => [word, ...(also ?? [])]);
    const labels = new Map((await namedEmoji()).map(({ hex, label }) => [plainName(label), hex]));
    for (const { name, class: noun, parts } of recipe.subjects) {
      expect(words, name).toContain(noun);
      const hex = labels.get(plainName(parts[0]!.label));
      // A mascot is new as a whole; a single drawing must be of a concept that is not trained.
      if (parts.length === 1)
        expect(
          data.concepts.some((concept) => concept.hex === hex),
          name,
        ).toBe(false);
      const sprite = await subjectSprite(
        art,
        recipe.subjects.find((each) => each.name === name)!,
      );
      const photos = await subjectPhotos(data, recipe, sprite);
      const corners = await Promise.all(
        photos.map(async (photo) => [...(await sharp(photo).raw().toBuffer()).subarray(0, 3)]),
      );
      expect(corners, name).toEqual(
        recipe.photos.map(({ background }) => data.backgrounds.find((one) => one.name === background)!.rgb),
      );
      const shown = drawSubject(data, sprite, 'red');
      const at = (pixel: number) => [0, 1, 2].map((c) => shown[c * 128 * 128 + pixel]!);
      const covered = Array.from({ length: 128 * 128 }, (_, pixel) =>
        at(pixel).some((value, c) => Math.abs(value - at(0)[c]!) > 0.1),
      );
      expect(covered.filter(Boolean).length, name).toBeGreaterThan(0.1 * 128 * 128);
    }
    // What pictures are judged with was no photo's background.
    for (const { background } of recipe.prompts)
      expect(recipe.photos.map((photo) => photo.background)).not.toContain(background);
    expect(subjectNotices(recipe).join()).toContain('Noto Emoji 1, © Google');
  });

  it('compose a mascot of its parts: the crown above the cat', async () => {
    const [recipe, art, data] = [await readSubjects(), await openJudgeArt(), await readPretrainData()];
    const mascot = recipe.subjects.find(({ name }) => name === 'crowned cat')!;
    const alone = { ...mascot, parts: mascot.parts.slice(0, 1) };
    const yellow = async (subject: typeof mascot) => {
      const picture = drawSubject(data, await subjectSprite(art, subject), 'blue');
      const area = 128 * 128;
      // Rows of the upper third, strongly red and green, hardly blue.
      return Array.from({ length: 42 * 128 }, (_, i) => i).filter(
        (i) => picture[i]! > 0.8 && picture[area + i]! > 0.2 && picture[2 * area + i]! < -0.3,
      ).length;
    };
    expect(await yellow(mascot)).toBeGreaterThan(100);
    expect(await yellow(alone)).toBeLessThan(20);
  });
});
