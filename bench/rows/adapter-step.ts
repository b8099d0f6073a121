/** @file A step of adapter training on the model: the real training loop, and a profile of its program. */
import { factorShapes } from '../../gpu-worker/adapters/krona.ts';
import { attentionProjections } from '../../gpu-worker/adapters/attention-projections.ts';
import type { Feeds } from '../../gpu-worker/graph/runtime.ts';
import { sizeOf } from '../../gpu-worker/graph/tensor.ts';
import { openModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { loadTokenizer } from '../../gpu-worker/models/tokenizer.ts';
import { KeyedRandom } from '../../core/random.ts';
import { adapterOutputs } from '../../gpu-worker/training/adapter-graph.ts';
import { noiseSchedule } from '../../gpu-worker/training/noise-schedule.ts';
import { trainAdapter } from '../../gpu-worker/training/train.ts';
import type { Context, Measured } from '../context.ts';
import { countedProgram, type CountedProgram } from '../counted-program.ts';
import { productSeconds, StepClock, stepRows } from '../step.ts';
import { trainingOptions } from '../training-options.ts';

export async function measureAdapterStep(context: Context, batch: number): Promise<Measured> {
  const steps = context.quick ? 12 : 60;
  const options = await trainingOptions(context.model, context.folder, { steps, batch });

  // 1. whole steps: batch, gradient, optimiser
  const whole = await StepClock.create(context);
  await trainAdapter(options, {
    turn: () => whole.begin(),
    onProgress: ({ phase }) => phase === 'training' && whole.end(),
  });
  await whole.release();

  // 2. the share that multiplies matrices
  const model = await openModelFolder(context.model);
  const { length: tokens } = await loadTokenizer(model.tokenizers[0]);
  const shapes = factorShapes(attentionProjections(model.unet.config), options.a1, options.a2);
  const { resolution, checkpointing } = options;
  const shape = { batch, width: resolution, height: resolution, tokens, checkpointing };
  const counted = countedProgram(adapterOutputs(model, shapes, noiseSchedule(model.scheduler), shape));
  const beside = await StepClock.create(context);
  const seconds = await productSeconds(counted, feedsOf(counted), context.quick ? 6 : 30, beside, context);
  await beside.release();

  const side = `${resolution}×${resolution}`;
  const what = `Krona training step, batch ${batch}, ${side}`;
  return { rows: stepRows(what, counted.flops, { seconds, best: beside.best }, whole) };
}

/** Random values for every input: a product's time doesn't depend on them. */
function feedsOf({ program }: CountedProgram): Feeds {
  return Object.fromEntries(
    program.inputs.map(({ name, shape }, i) => [name, new KeyedRandom(0, 'bench', i).normals(sizeOf(shape))]),
  );
}
