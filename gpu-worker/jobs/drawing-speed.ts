/** @file How long pictures take on this worker, which the chat tells: from those that it drew, else from the last check. */
import type { Device } from '../../core/config.ts';
import { keptDeviceCheck } from '../../core/device-checks.ts';
import type { PictureSet } from '../../core/records.ts';
import { relativeArea, type Computer } from '../../core/settings/computer.ts';
import type { ModelCard } from '../../core/settings/model-card.ts';
import { pictureSize } from '../../core/settings/picture-size.ts';
import type { Records, RecordStore } from '../../storage/records.ts';

/** Weight of the newest set beside all before it: one that had to wait for a training changes little. */
const NEWEST = 0.3;

/** What to tell of this computer when a worker starts. Pictures that it drew with the same model and device still count. */
export async function computerNow(
  records: Records,
  model: ModelCard,
  device: Device,
  dataFolder: string,
): Promise<Computer> {
  const before = await records.modelCard();
  const same = before?.name === model.name && before.computer?.device === device;
  const check = await keptDeviceCheck(dataFolder, device);
  return { device, check, drawnStep: same ? (before.computer?.drawnStep ?? null) : null };
}

/** Counts a set that was drawn. @param seconds - of so many of its steps, decoding and waiting included */
export async function countDrawn(
  records: RecordStore,
  { settings }: PictureSet,
  { steps, seconds }: { readonly steps: number; readonly seconds: number },
): Promise<void> {
  await records.transaction(async (within) => {
    const model = await within.modelCard();
    if (!model?.computer || steps < 1) return;
    const step = seconds / steps / relativeArea(pictureSize(settings, model), model);
    const before = model.computer.drawnStep ?? step;
    const drawnStep = before + NEWEST * (step - before);
    await within.saveModelCard({ ...model, computer: { ...model.computer, drawnStep } });
  });
}
