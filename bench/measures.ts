/** @file The list of measurements, in table order. Each runs in a separate process. */
import type { Context, Measured } from './context.ts';

type Measure = (context: Context) => Promise<Measured>;

/** Loaded one by one, so that a measurement's memory contains no other's code. */
export const MEASURES: Readonly<Record<string, () => Promise<Measure>>> = {
  matmul: async () => (await import('./rows/matmul.ts')).measureMatmul,
  'step-1': async () => {
    const { measureAdapterStep } = await import('./rows/adapter-step.ts');
    return (context) => measureAdapterStep(context, 1);
  },
  'step-4': async () => {
    const { measureAdapterStep } = await import('./rows/adapter-step.ts');
    return (context) => measureAdapterStep(context, 4);
  },
  pretrain: async () => (await import('./rows/pretrain-step.ts')).measurePretrainStep,
  training: async () => (await import('./rows/training.ts')).measureTraining,
  pictures: async () => (await import('./rows/pictures.ts')).measurePictures,
  switching: async () => (await import('./rows/switching.ts')).measureSwitching,
  load: async () => (await import('./rows/load.ts')).measureLoad,
  start: async () => (await import('./rows/start.ts')).measureStart,
};
