/**
 * Adapter files between programs: those that other libraries wrote are read to the change that they mean, and those
 * written here are the ones that the libraries have read (test/fixtures/make-adapters.py).
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adapterBase } from '../../gpu-worker/adapters/files/adapter-base.ts';
import { readAdapter } from '../../gpu-worker/adapters/files/read-adapter.ts';
import { openModelFolder, type ModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { openSafetensors, readFloats } from '../../gpu-worker/models/safetensors.ts';
import { TextToImage } from '../../gpu-worker/sampling/text-to-image.ts';
import { adaptedOutput, adaptedText } from '../helpers/adapted.ts';
import { TINY_MODEL, worstError } from '../helpers/fixtures.ts';
import { writeOurAdapters } from '../helpers/our-adapters.ts';

const FOLDER = join(import.meta.dirname, '../fixtures/adapters');

interface Case {
  readonly name: string;
  readonly file: string;
  readonly modules: number;
  readonly text: boolean;
}
const { prompt, cases } = JSON.parse(readFileSync(join(FOLDER, 'index.json'), 'utf8')) as {
  prompt: string;
  cases: Case[];
};

let model: ModelFolder;
let expected: Map<string, Float32Array>;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-exchange-'));
  model = await openModelFolder(TINY_MODEL);
  const { tensors } = await openSafetensors(join(FOLDER, 'expected.safetensors'));
  expected = new Map();
  for (const [name, stored] of tensors) expected.set(name, await readFloats(stored));
});
afterAll(() => rm(folder, { recursive: true }));

describe('a file from another program', () => {
  it.each(cases)(
    '$name changes weights and prediction as in that program',
    async ({ name, file, modules, text }) => {
      const { layers } = await readAdapter(join(FOLDER, file), adapterBase(model));
      expect(layers.size).toBe(modules);
      const deltas = [...expected].filter(([key]) => key.startsWith(`${name}.delta.`));
      expect(deltas.length).toBeGreaterThanOrEqual(3);
      for (const [key, values] of deltas) {
        const delta = layers.get(key.slice(`${name}.delta.`.length))!.delta();
        expect(relativeError(delta, values), key).toBeLessThan(1e-6);
      }
      expect(worstError(await adaptedOutput(model, layers), expected.get(`${name}.output`)!)).toBeLessThan(
        1e-4,
      );
      if (!text) return;
      const { states, pooled } = await adaptedText(model, layers, prompt);
      expect(worstError(states, expected.get(`${name}.states`)!)).toBeLessThan(1e-4);
      expect(worstError(pooled, expected.get(`${name}.pooled`)!)).toBeLessThan(1e-4);
    },
  );

  it("draws its own picture, and at strength 0 the model's", async () => {
    const painter = await TextToImage.open(TINY_MODEL);
    try {
      const drawn = async (file: string | null, strength = 1) => {
        const adapter = file === null ? null : await painter.readAdapter(join(FOLDER, file), strength);
        const pictures = await painter.draw({
          prompt,
          negative: null,
          adapter,
          steps: 1,
          guidance: 1,
          scheduler: 'euler',
          width: 32,
          height: 32,
          seed: 3,
          count: 1,
          noise: 'krona',
        });
        return Buffer.from(pictures[0]!.pixels);
      };
      const alone = await drawn(null);
      // One after another, as the engine draws: a session that makes room for the next must not be in use.
      const all: Buffer[] = [];
      for (const { file } of cases) all.push(await drawn(file));
      const different = new Set([alone, ...all].map((pixels) => pixels.toString('base64')));
      expect(different.size).toBe(cases.length + 1);
      expect((await drawn('kohya-lora.safetensors', 0)).equals(alone)).toBe(true);
    } finally {
      await painter.release();
    }
  });
});

describe('a file that Krona writes', () => {
  it('has the bytes that LyCORIS, PEFT and diffusers accepted', async () => {
    const verified = JSON.parse(await readFile(join(FOLDER, 'verified.json'), 'utf8')) as Record<
      string,
      string
    >;
    const found: Record<string, string> = {};
    for (const { path } of await writeOurAdapters(folder)) {
      const files = (await stat(path)).isDirectory()
        ? (await readdir(path)).map((name) => join(path, name))
        : [path];
      for (const file of files)
        found[relative(folder, file)] = createHash('sha256')
          .update(await readFile(file))
          .digest('hex');
    }
    expect(found).toEqual(verified);
  });

  it('is read back as it was written', async () => {
    for (const { name, path, layers } of await writeOurAdapters(folder)) {
      const read = await readAdapter(path, adapterBase(model));
      expect([...read.layers.keys()].sort(), name).toEqual([...layers.keys()].sort());
      for (const [module, layer] of layers)
        expect(
          relativeError(read.layers.get(module)!.delta(), layer.delta()),
          `${name} ${module}`,
        ).toBeLessThan(5e-7);
    }
  });
});

/** Largest difference as a share of the largest value. */
function relativeError(found: Float32Array, wanted: Float32Array): number {
  const size = wanted.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1e-6);
  return worstError(
    found.map((value) => value / size),
    wanted.map((value) => value / size),
  );
}
