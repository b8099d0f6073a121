/** @file The embedded model's programs on a device, compared with the CPU. */
import { embeddedModel } from '../../core/package.ts';
import { compile, type Precision, type Program, type Results } from '../../gpu-worker/graph/compile.ts';
import { useDevice, type DeviceInUse } from '../../gpu-worker/graph/device.ts';
import { DIALECTS } from '../../gpu-worker/graph/dialect.ts';
import { relativeError } from '../../gpu-worker/graph/relative-error.ts';
import { runOnce } from '../../gpu-worker/graph/runtime.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import { engineGraph } from '../engine-graphs.ts';
import { randomInputs } from './random-inputs.ts';

/** Largest ‖found − expected‖ / ‖expected‖. float32 may be TF32 on CUDA, with 10 bits. */
const LIMITS = {
  float32: { cpu: 1e-6, cuda: 5e-3, webgpu: 1e-4 },
  float16: { cpu: 2e-2, cuda: 2e-2, webgpu: 2e-2 },
} as const;

export interface ValueRow {
  readonly what: string;
  readonly precision: Precision;
  /** ‖found − expected‖ / ‖expected‖ of the worst result. */
  readonly error: number;
  readonly limit: number;
  readonly ok: boolean;
}

/** Pictures of this side are drawn and trained on, pixels. */
const SIDE = 64;

/** One UNet call, one decoded picture and one gradient of a Krona adapter. */
export async function checkValues(inUse: DeviceInUse): Promise<ValueRow[]> {
  const model = await openModel(embeddedModel);
  const { drawing, training } = inUse.dialect;
  const programs = [
    ['unet', 'UNet', drawing],
    ['vae-decoder', 'decoder', drawing],
    ['krona-step', 'gradient', training],
  ] as const;
  const rows: ValueRow[] = [];
  for (const [name, what, precision] of programs) {
    const run = (device: DeviceInUse, width: Precision) => {
      useDevice(device.device, device.dialect);
      return results(compile(engineGraph(name, model, SIDE), { precision: width }));
    };
    const expected = await run({ device: 'cpu', dialect: DIALECTS.cpu }, 'float32');
    const found = await run(inUse, precision);
    const error = worstError(found, expected);
    const limit = LIMITS[precision][inUse.device];
    rows.push({ what, precision, error, limit, ok: error <= limit });
  }
  return rows;
}

const results = (program: Program): Promise<Results> => runOnce(program, randomInputs(program), {});

const worstError = (found: Results, expected: Results): number =>
  Math.max(...Object.entries(expected).map(([name, values]) => relativeError(found[name], values)));
