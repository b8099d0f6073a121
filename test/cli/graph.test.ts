/** @file `krona graph print`: the engine's programs as text and as ONNX files. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decoderProgram } from '../../gpu-worker/models/autoencoder.ts';
import { runOnce } from '../../gpu-worker/graph/runtime.ts';
import { sizeOf } from '../../gpu-worker/graph/tensor.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import { GRAPH_NAMES } from '../../cli/engine-graphs.ts';
import { krona, TINY } from './run-krona.ts';

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'krona-graph-'))));
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('krona graph print', () => {
  it.each(GRAPH_NAMES)('prints %s as text, one line per tensor', async (name) => {
    const { code, stdout } = await krona('graph', 'print', name, '--model', TINY);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^%0 \w+\[[\d,]*\] = /);
    expect(stdout).toMatch(/\nreturn \w+: %\d+(, \w+: %\d+)*\n$/);
  });

  it('takes the side of the pictures from --size', async () => {
    const { stdout } = await krona('graph', 'print', 'vae-decoder', '--model', TINY, '--size', '32');
    expect(stdout).toMatch(/float32\[1,3,32,32\] = .*\nreturn pictures/);
  });

  it('writes with --onnx a file that onnxruntime opens without the model, with the same results', async () => {
    const file = join(folder, 'decoder.onnx');
    const words = ['graph', 'print', 'vae-decoder', '--model', TINY, '--size', '16', '--onnx', file];
    expect(await krona(...words)).toMatchObject({ code: 0, stdout: `${file}\n${file}.data\n` });

    const program = decoderProgram(await openModel(TINY), 16, 16, 'float32');
    const shape = program.inputs[0]?.shape ?? [];
    const latents = Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i));
    const session = await ort.InferenceSession.create(file);
    const { pictures } = await session.run({ latents: new ort.Tensor('float32', latents, shape) });
    await session.release();
    expect(pictures?.data).toEqual((await runOnce(program, { latents })).pictures);
  });

  it('refuses a size that has no latents', async () => {
    const { code, stderr } = await krona('graph', 'print', 'unet', '--model', TINY, '--size', '33');
    expect(code).toBe(1);
    expect(stderr).toContain('SIZE_INVALID: The size must be a multiple of');
  });

  it('refuses an unknown program', async () => {
    const { code, stderr } = await krona('graph', 'print', 'decoder');
    expect(code).toBe(2);
    expect(stderr).toContain('Allowed choices are text, text-2, unet');
  });
});
