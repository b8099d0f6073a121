/** @file How long pictures and trainings take on this worker, which the chat tells: from past ones, else from the last check. */
import type { Device } from '../../core/config.ts';
import { keptDeviceCheck } from '../../core/device-checks.ts';
import { machineMemory } from '../../core/machine-memory.ts';
import type { PictureSet, Run } from '../../core/records.ts';
import { relativeArea, type Computer } from '../../core/settings/computer.ts';
import type { ModelCard } from '../../core/settings/model-card.ts';
import { pictureSize } from '../../core/settings/picture-size.ts';
import type { Records, RecordStore } from '../../storage/records.ts';

/** Weight of the newest set or training beside all before it: one that had to wait changes little. */
const NEWEST = 0.3;

/** What to tell of this computer when a worker starts. Those with the same model and device still count. */
export async function computerNow(
  records: Records,
  model: ModelCard,
  { device, memory }: { readonly device: Device; readonly memory?: number },
  dataFolder: string,
): Promise<Computer> {
  const before = await records.modelCard();
  const check = await keptDeviceCheck(dataFolder, device);
  const now = { device, check, memory: memory ?? (device === 'cpu' ? machineMemory() : null) };
  return timed(now, before?.name === model.name ? before : null);
}

/** This computer with the times of a pulled model. @param before - its card, if there was one */
export const computerFor = (now: Computer | undefined, before: ModelCard | null): Computer | undefined =>
  now && timed(now, before);

/** Times on the same device still count. */
function timed(
  now: Omit<Computer, 'drawnStep' | 'trainedStep'>,
  before: Pick<ModelCard, 'computer'> | null,
): Computer {
  const known = before?.computer?.device === now.device ? before.computer : null;
  return { ...now, drawnStep: known?.drawnStep ?? null, trainedStep: known?.trainedStep ?? null };
}

/** Tells the cards of pulled models what they are computed on by now. */
export async function refreshComputers(records: Records, now: Computer): Promise<void> {
  for (const { name, card, pulled } of await records.models())
    if (pulled !== null) await records.saveModelCard({ ...card, computer: timed(now, card) }, name);
}

/** Counts a set that was drawn. @param seconds - of so many of its steps, decoding and waiting included */
export async function countDrawn(
  records: RecordStore,
  { settings, model: name }: PictureSet,
  { steps, seconds }: { readonly steps: number; readonly seconds: number },
): Promise<void> {
  await records.transaction(async (within) => {
    const model = await within.modelCard(name);
    if (!model?.computer || steps < 1) return;
    const step = seconds / steps / relativeArea(pictureSize(settings, model), model);
    const drawnStep = smoothed(model.computer.drawnStep, step);
    await within.saveModelCard({ ...model, computer: { ...model.computer, drawnStep } }, name);
  });
}

/** Counts a training from photos. @param seconds - of one of its steps, without waiting; 0 if it took none */
export async function countTrained(
  records: RecordStore,
  { model: name }: Pick<Run, 'model'>,
  seconds: number,
): Promise<void> {
  await records.transaction(async (within) => {
    const model = await within.modelCard(name);
    if (!model?.computer || seconds <= 0) return;
    const trainedStep = smoothed(model.computer.trainedStep, seconds);
    await within.saveModelCard({ ...model, computer: { ...model.computer, trainedStep } }, name);
  });
}

/** A mean that follows the newest value slowly. */
const smoothed = (before: number | null | undefined, newest: number): number =>
  before == null ? newest : before + NEWEST * (newest - before);
