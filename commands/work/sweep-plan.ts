/** @file What a member asks a sweep to do, checked before anything runs. */
import { KronaError } from '../../core/errors.ts';
import { counted, duration } from '../../core/format.ts';
import type { Photo, Subject } from '../../core/records.ts';
import { checkTraining } from '../../core/settings/check.ts';
import { readSetting, withOptions } from '../../core/settings/read.ts';
import { inChat, type ChannelSettings } from '../../core/settings/schema.ts';
import { sweepTime, type SweepTime } from '../../core/settings/sweep-time.ts';
import {
  checkCells,
  checkSchedule,
  rungsOf,
  sweepCells,
  sweepSteps,
  type Rung,
  type SweepAxes,
  type SweepCell,
} from '../../core/sweep-plan.ts';
import type { Value } from '../../core/values.ts';
import type { Records } from '../../storage/records.ts';
import type { Actor } from '../contract.ts';
import { requireSubject } from '../subjects/subjects.ts';
import { refuseWhileTraining, settingsNow } from './train.ts';

/** More cells would take long, and their sheet could not be read. */
const MOST_CELLS = 16;
/** Longest that a sweep may take, hours. */
const MOST_HOURS = 12;
/** Likeness to one or two photos is chance. */
const LEAST_PHOTOS = 3;

/** As a member typed it: the axes are lists with commas. */
export interface AskedSweep {
  readonly subject: string;
  readonly a1?: string | undefined;
  readonly a2?: string | undefined;
  readonly lr?: string | undefined;
  readonly steps?: Value | undefined;
}

export interface PlannedSweep {
  readonly subject: Subject;
  readonly photos: readonly Photo[];
  readonly axes: SweepAxes;
  readonly cells: readonly SweepCell[];
  readonly rungs: readonly Rung[];
  /** Of the first cell; the others differ by it. */
  readonly settings: ChannelSettings;
  readonly time: SweepTime;
  /** What it counts as in quotas: its steps in trainings of the last rung's. */
  readonly trainings: number;
}

/** @throws KronaError OPTION_INVALID, OPTION_EMPTY */
function readAxis(key: keyof SweepAxes, typed: string | undefined, own: number): number[] {
  if (typed === undefined) return [own];
  // Words such as auto stand for several settings, or for the model's choice.
  const { orWord: _word, auto: _auto, ...setting } = inChat(key);
  const values = typed.split(',').map((each) => Number(readSetting(setting, each.trim())));
  return [...new Set(values)];
}

/**
 * Checks everything that can be known before a sweep runs.
 *
 * @throws KronaError SUBJECT_UNKNOWN, SUBJECT_BUSY, PHOTOS_TOO_FEW, SWEEP_SIZE, SWEEP_TOO_LONG, SWEEP_SCHEDULE,
 * FACTORS_UNFIT naming every cell that doesn't fit, TARGETS_UNSUPPORTED, WARMUP_UNFIT, OPTION_*
 */
export async function planSweep(
  records: Records,
  { channel }: Pick<Actor, 'channel'>,
  asked: AskedSweep,
): Promise<PlannedSweep> {
  const model = await records.modelCard(channel.model);
  const subject = await requireSubject(records, channel, asked.subject);
  refuseWhileTraining(subject, (await records.openWork(channel.id)).runs);
  const photos = await records.photos(subject.id);
  if (photos.length < LEAST_PHOTOS)
    throw new KronaError(
      'PHOTOS_TOO_FEW',
      `A sweep scores likeness to the photos, which needs at least ${LEAST_PHOTOS} of ${subject.name}; there ` +
        `${photos.length === 1 ? 'is 1' : `are ${photos.length}`}. Add some with \`/krona photos add\`.`,
    );
  const own = withOptions(
    await settingsNow(records, channel),
    { method: 'krona', ...(asked.steps !== undefined && { steps: asked.steps }) },
    model,
  );
  const axes: SweepAxes = {
    a1: readAxis('a1', asked.a1, own.a1),
    a2: readAxis('a2', asked.a2, own.a2),
    lr: readAxis('lr', asked.lr, own.lr),
  };
  const cells = sweepCells(axes);
  if (cells.length < 2 || cells.length > MOST_CELLS)
    throw new KronaError(
      'SWEEP_SIZE',
      `A sweep has 2 to ${MOST_CELLS} cells, one for each combination of \`a1\`, \`a2\` and \`lr\`; this one has ` +
        `${cells.length}. Separate values by commas, such as a1:2,4 a2:8,16.`,
    );
  // The score decides, so each cell's last step counts.
  const settings: ChannelSettings = { ...own, ...cells[0], keep: 'last' };
  checkSchedule(settings.lrSchedule);
  const rungs = rungsOf(cells.length, settings.steps);
  checkCells(cells, (cell) =>
    checkTraining({ ...settings, ...cell, steps: rungs[0]?.steps ?? settings.steps }, model),
  );
  const time = sweepTime(rungs, settings, model);
  if (time.seconds > MOST_HOURS * 3600)
    throw new KronaError(
      'SWEEP_TOO_LONG',
      `This sweep would take about ${duration(time.seconds)} (${time.basis}); at most ${MOST_HOURS} h are allowed. ` +
        `Give fewer values or steps: it has ${counted(cells.length, 'cell')} of up to ${settings.steps} steps.`,
    );
  const trainings = Math.max(1, Math.ceil(sweepSteps(rungs) / settings.steps));
  return { subject, photos, axes, cells, rungs, settings, time, trainings };
}
