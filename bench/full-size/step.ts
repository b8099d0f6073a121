/** @file Runs steps of one kind on one model in this process, for run.ts; the argument is a `StepRequest` as JSON. */
import { at } from '../../core/at.ts';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { adapterLayout } from '../../gpu-worker/adapters/adapter.ts';
import { ADAPTER_METHODS } from '../../gpu-worker/adapters/methods.ts';
import { compile } from '../../gpu-worker/graph/compile.ts';
import { Session, type Feeds } from '../../gpu-worker/graph/runtime.ts';
import { inspectModel } from '../../gpu-worker/models/model-check.ts';
import { openModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { frozenParameters } from '../../gpu-worker/models/parameters.ts';
import { openSafetensors, readFloats, writeSafetensors } from '../../gpu-worker/models/safetensors.ts';
import { unet, unetInputs } from '../../gpu-worker/models/unet.ts';
import { adapterGradient } from '../../gpu-worker/training/adapter-graph.ts';
import { AdamW, ADAMW_DEFAULTS, initialState } from '../../gpu-worker/training/adamw.ts';
import { noiseSchedule } from '../../gpu-worker/training/noise-schedule.ts';
import { peakMemory } from '../processes.ts';
import type { StepRequest, StepResult } from './steps.ts';

const {
  model: folder,
  kind,
  inputs,
  output,
  threads,
  repeats,
  profile,
} = JSON.parse(at(process.argv, 2)) as StepRequest;
const model = await openModelFolder(folder);
const given = new Map<string, Float32Array>();
for (const [name, tensor] of (await openSafetensors(inputs)).tensors)
  given.set(name, await readFloats(tensor));
const options = { threads, ...(profile ? { profilePrefix: join(profile, kind) } : {}) };

const { ok } = await inspectModel(folder);
if (!ok) throw new Error(`${folder} isn't a complete model`);
const began = performance.now();
const { session, step, shape } = kind === 'sampling' ? await sampling() : await training();
const opened = (performance.now() - began) / 1000;
const seconds: number[] = [];
const processor: number[] = [];
let result = new Float32Array();
let written = 0;
for (let i = 0; i <= repeats; i++) {
  const [start, used] = [performance.now(), process.cpuUsage()];
  const values = await step();
  const { user, system } = process.cpuUsage(used);
  seconds.push((performance.now() - start) / 1000);
  processor.push((user + system) / 1e6);
  if (i > 0) continue;
  result = values.slice();
  written = await writtenBytes();
}
if (profile) session.endProfiling();
await writeSafetensors(output, new Map([['result', { dtype: 'F32', shape, data: result }]]));
const [first, ...later] = seconds as [number, ...number[]];
const measured: StepResult = {
  opened,
  first,
  seconds: later,
  processor: processor.slice(1),
  peak: await peakMemory(process.pid),
  written,
};
process.stdout.write(`${JSON.stringify(measured)}\n`);

/** One call of the UNet with guidance; returns its prediction. */
async function sampling() {
  const { config, tensors, name } = model.unet;
  const symbols = unetInputs(config, 2, 64, 64, 77);
  const program = compile({ prediction: unet(config, frozenParameters(name, tensors), symbols) });
  const session = await Session.create(program, options);
  const feeds = feedsOf(program.inputs);
  return {
    session,
    step: async () => (await session.run(feeds)).prediction,
    shape: at(program.outputs, 0).shape,
  };
}

/**
 * The gradient of one photo and an optimiser step, with factors (4, 64) on every projection; returns the loss before
 * it.
 */
async function training() {
  const method = ADAPTER_METHODS.krona;
  const factors = { a1: 4, a2: 64 };
  const shapes = method.shapes(model, factors);
  const layout = adapterLayout(shapes);
  const program = adapterGradient(model, shapes, noiseSchedule(model.scheduler), {
    batch: 1,
    width: 512,
    height: 512,
    tokens: 77,
    checkpointing: true,
  });
  const session = await Session.create(program, { ...options, mapWeights: true });
  const optimizer = await AdamW.create(
    ADAMW_DEFAULTS,
    initialState(method.initial(layout, 0, factors), ADAMW_DEFAULTS),
    threads,
  );
  const gradient = new Float32Array(layout.length);
  return {
    session,
    step: async () => {
      const feeds = feedsOf(program.inputs, { parameters: optimizer.state.parameters });
      const { loss } = await session.run(feeds, { gradient });
      await optimizer.step(gradient, 1e-4);
      return loss;
    },
    shape: [1],
  };
}

/** The first row, or the first two, of the inputs. */
function feedsOf(
  wanted: readonly { readonly name: string; readonly shape: readonly number[] }[],
  own: Feeds = {},
): Feeds {
  return Object.fromEntries(
    wanted.map(({ name, shape: sides }) => [
      name,
      own[name] ??
        given.get(name)!.subarray(
          0,
          sides.reduce((a, b) => a * b, 1),
        ),
    ]),
  );
}

/** Bytes that this process wrote to disk. */
async function writtenBytes(): Promise<number> {
  return Number(/^write_bytes: (\d+)/m.exec(await readFile('/proc/self/io', 'utf8'))![1]);
}
