/**
 * @file What is measured on a card: each phase runs in a process of its own, so that one that fails, or takes too long,
 * costs only itself. A phase returns facts for its JSON file.
 */
import { embeddedModel } from '../../core/package.ts';
import { nvidiaCards } from '../../cli/device-check/card.ts';
import { checkSteps, type Runs, type SizeRow, type Work } from '../../cli/device-check/check-sizes.ts';
import { checkValues } from '../../cli/device-check/check-values.ts';
import { withRandomWeights } from '../../cli/device-check/random-inputs.ts';
import type { Device } from '../../core/config.ts';
import { useDevice } from '../../gpu-worker/graph/device.ts';
import { examine } from '../../gpu-worker/graph/device-trial.ts';
import { DIALECTS, type Precision } from '../../gpu-worker/graph/dialect.ts';
import type { Architecture } from '../../gpu-worker/models/architecture.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import { largestTensor, publishedModel } from '../../gpu-worker/models/published-model.ts';
import { attentionRows } from './attention.ts';

export interface Setting {
  readonly device: Device;
  /** The embedded model in place of the published ones: a rehearsal. */
  readonly small: boolean;
}

export interface Phase {
  /** Longest time, seconds. */
  readonly seconds: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Krona's own part; null: rivals.py has one of this name. */
  readonly run: ((setting: Setting) => Promise<object>) | null;
}

const steps =
  (architecture: Architecture, side: number, count: Runs) =>
  async ({ device, small }: Setting): Promise<{ rows: SizeRow[] }> => {
    useDevice(device);
    const check = async (weights: string) => {
      const model = small ? await openModel(embeddedModel) : publishedModel(architecture, weights);
      return checkSteps(model, small ? 64 : side, Infinity, () => {}, count);
    };
    const bytes = small ? 0 : largestTensor(publishedModel(architecture, ''));
    return { rows: await withRandomWeights(bytes, check) };
  };

const values =
  (precision: Precision) =>
  async ({ device }: Setting) => ({
    rows: await checkValues({
      device,
      dialect: { ...DIALECTS[device], drawing: precision, training: precision },
    }),
  });

/** In the order in which they run: whatever comes first is known even if the card is taken away. */
export const PHASES: Readonly<Record<string, Phase>> = {
  device: {
    seconds: 40,
    run: async ({ device }) => ({ device, cards: await nvidiaCards(), findings: await examine(device) }),
  },
  attention: { seconds: 60, run: attentionRows },
  'attention-without-cudnn': {
    seconds: 60,
    env: { ORT_ENABLE_CUDNN_FLASH_ATTENTION: '0' },
    run: attentionRows,
  },
  // Products of float32 are TF32 otherwise.
  'values-float32': { seconds: 60, env: { NVIDIA_TF32_OVERRIDE: '0' }, run: values('float32') },
  'values-float16': { seconds: 60, run: values('float16') },
  sampling: { seconds: 70, run: steps('sdxl', 1024, { sampling: 7 }) },
  training: { seconds: 90, run: steps('sdxl', 1024, { training: 5 }) },
  decoding: { seconds: 40, run: steps('sdxl', 1024, { decoding: 3 }) },
  'rival-sampling': { seconds: 60, run: null },
  'rival-training': { seconds: 60, run: null },
  'rival-decoding': { seconds: 40, run: null },
  'sd15-training': { seconds: 60, run: steps('sd1', 512, { training: 5 }) },
};

/** The phases that are compared with their rivals. */
export const COMPARED = ['sampling', 'training', 'decoding'] as const satisfies readonly Work[];
