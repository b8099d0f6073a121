import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ProgressBar } from '../../cli/progress.ts';
import { examine } from '../../gpu-worker/graph/device-trial.ts';
import { TINY_MODEL } from '../helpers/fixtures.ts';
import { writeAdapter } from '../../gpu-worker/adapters/files/write-adapter.ts';
import { KroneckerLayer } from '../../gpu-worker/adapters/forms/kronecker.ts';
import { writeSafetensors } from '../../gpu-worker/models/safetensors.ts';
import { openModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { krona, kronaProcess, TINY } from './run-krona.ts';

const COMMANDS = [
  'start',
  'bot',
  'worker',
  'train',
  'imagine',
  'adapter',
  'model',
  'pretrain',
  'autoencoder',
  'help',
];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-cli-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('the krona program', () => {
  it('lists its commands and explains each', async () => {
    const { code, stdout } = await krona('--help');
    expect(code).toBe(0);
    const commands = [...stdout.matchAll(/^ {2}([a-z]+)\b.* {2}/gm)].map(([, name]) => name!);
    expect(commands).toEqual(expect.arrayContaining(COMMANDS));
    for (const command of commands.filter((name) => name !== 'help')) {
      const help = await krona(command, '--help');
      expect(help).toMatchObject({ code: 0, stderr: '' });
      expect(help.stdout).toContain(`Usage: krona ${command}`);
    }
  });

  it('reports a mistyped command or option on stderr, with exit code 2', async () => {
    const mistyped = await krona('modle', 'check', TINY);
    expect(mistyped).toMatchObject({ code: 2, stdout: '' });
    expect(mistyped.stderr).toContain('Did you mean model?');
    const option = await krona('model', 'check', TINY, '--jsno');
    expect(option).toMatchObject({ code: 2, stdout: '' });
    expect(option.stderr).toContain('--json');
  });

  it.each([
    ['a command', ['modle', '--json']],
    ['an argument', ['model', 'check', '--json']],
    ['an option', ['model', 'check', TINY, '--json', '--bogus']],
    ['what to do with it', ['adapter', '--json']],
  ])('reports with --json that %s is missing, as one object with a code on stdout', async (_, words) => {
    const { code, stdout } = await krona(...words);
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'USAGE' } });
  });

  it('writes out control characters in names from files, which would steer the terminal', async () => {
    const file = join(folder, 'steering.safetensors');
    const tensor = { dtype: 'F32', shape: [1], data: new Float32Array(1) } as const;
    await writeSafetensors(file, new Map([['\x1b]0;owned\x07\x9b2J', tensor]]));
    const { code, stderr } = await krona('adapter', 'inspect', file);
    expect(code).toBe(1);
    expect(stderr).toContain('\\u001b]0;owned\\u0007\\u009b2J');
    expect(stderr).not.toMatch(/[^\P{Cc}\n]/u);
    const json = await krona('adapter', 'inspect', file, '--json');
    expect(json.stdout).not.toMatch(/[^\P{Cc}\n]/u);
    expect(json.stdout).toContain('owned');
    expect(() => JSON.parse(json.stdout) as unknown).not.toThrow();
    // A photo's name in a note.
    const photos = join(folder, 'steering');
    await mkdir(photos);
    await writeFile(join(photos, 'a\x1b[2J.doc'), 'no photo');
    await sharp({ create: { width: 64, height: 64, channels: 3, background: 'red' } }).toFile(
      join(photos, 'a.png'),
    );
    const words = ['train', '--model', TINY, '--photos', photos, '--subject', 'sks cat', '--steps', '1'];
    const trained = await krona(...words, '--out', join(folder, 'steered.safetensors'));
    expect(trained.stderr).toContain('a\\u001b[2J.doc');
    expect(trained.stderr).not.toContain('\x1b');
  });

  it('shows a stack only on request', async () => {
    const file = join(folder, 'broken.safetensors');
    await writeFile(file, 'not tensors at all');
    const json = await kronaProcess(['adapter', 'inspect', file, '--json']);
    expect(json).toMatchObject({ code: 1, stderr: '' });
    expect(JSON.parse(json.stdout)).toMatchObject({ error: { code: 'SAFETENSORS_INVALID' } });
    const people = await kronaProcess(['adapter', 'inspect', file]);
    expect(people).toMatchObject({ code: 1, stdout: '' });
    expect(people.stderr).toMatch(/^SAFETENSORS_INVALID: broken\.safetensors .*\n$/);
    const debugged = await kronaProcess(['adapter', 'inspect', file], undefined, { KRONA_DEBUG: '1' });
    expect(debugged.stderr).toMatch(/^\s+at /m);
  });
});

describe('the device', () => {
  it.each([['pretrain'], ['evaluate model'], ['evaluate methods']])(
    'of %s is named in one line, or the reason against it, before anything runs',
    async (command) => {
      // With a recipe that is not there, so that nothing is computed.
      const absent = join(folder, 'absent');
      const words = [...command.split(' '), '--config', `${absent}.json`, '--out', absent];
      if (command === 'pretrain') words.push('--run', absent);
      const cpu = await krona(...words, '--device', 'cpu');
      expect(cpu.code).toBe(1);
      expect(cpu.stderr).toMatch(/^Running on cpu\.\n/);
      // A machine for tests has no WebGPU.
      const findings = await examine('webgpu');
      if (findings.works) return;
      const { stderr } = await krona(...words, '--device', 'webgpu');
      expect(stderr).toMatch(/^DEVICE_UNAVAILABLE: The device webgpu does not work here.*\n$/);
      expect(stderr).toContain(findings.reason);
    },
  );
});

describe('progress', () => {
  const draw = (isTTY: boolean, work: (bar: ProgressBar) => void) => {
    let text = '';
    work(new ProgressBar({ write: (chunk) => (text += chunk), isTTY, columns: 60 }));
    return text;
  };

  it('is a bar on a terminal, never wider than the terminal', () => {
    const text = draw(true, (bar) => {
      bar.show({ phase: 'training', step: 50, steps: 100, secondsLeft: 200 }, 'loss 0.1234');
      bar.end();
    });
    expect(text).toContain('████████████░░░░░░░░░░░░ training 50/100, 3 min left');
    for (const line of text.split(/[\r\n]/)) expect(line.replace('\x1b[K', '').length).toBeLessThan(60);
  });

  it('is at most eleven lines per phase elsewhere', () => {
    const text = draw(false, (bar) => {
      for (let step = 0; step <= 1000; step++)
        bar.show({ phase: 'training', step, steps: 1000, secondsLeft: null });
    });
    expect(text.trimEnd().split('\n')).toHaveLength(11);
    expect(text).not.toContain('\r');
  });
});

describe('krona model check', () => {
  it('prints architecture, counts and a verdict', async () => {
    const { code, stdout } = await krona('model', 'check', TINY, '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      architecture: 'sdxl',
      unetParameters: 235380,
      textEncoderParameters: 56432,
      vaeParameters: 67231,
      ok: true,
      problems: [],
    });
    expect((await krona('model', 'check', TINY)).stdout).toContain('235,380');
  });

  it("exits with 1 for a folder that can't run", async () => {
    await writeFile(join(folder, 'model_index.json'), '{"_class_name": "FluxPipeline"}');
    const { code, stdout } = await krona('model', 'check', folder, '--json');
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      problems: [{ code: 'MODEL_ARCHITECTURE_UNSUPPORTED' }],
    });
  });
});

describe('krona adapter inspect', () => {
  it('describes an adapter file', async () => {
    const file = join(folder, 'mochi.safetensors');
    const module = 'mid_block.attentions.0.transformer_blocks.0.attn1.to_q';
    const sides = { a1: 4, a2: 2, b1: 6, b2: 12 };
    const factors = new KroneckerLayer(sides, new Float32Array(8), new Float32Array(72));
    await writeAdapter(file, new Map([[module, factors]]), await openModelFolder(TINY_MODEL), {
      baseModel: 'sdxl-tiny',
      baseHash: 'abc',
      a1: 4,
      a2: 2,
      subjectToken: 'sks',
      subjectClass: 'cat',
      steps: 20,
      seed: 7,
      resolution: 64,
      predictionType: 'epsilon',
      settings: {},
    });
    const { code, stdout } = await krona('adapter', 'inspect', file, '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      format: 'lokr',
      method: 'krona',
      targets: [module],
      parameters: 80,
      factors: { a1: 4, a2: 2 },
      base: { model: 'sdxl-tiny' },
    });
    const people = await krona('adapter', 'inspect', file);
    expect(people.stdout).toContain('sks cat');
    expect(people.stdout).toContain('4×2');
  });
});
