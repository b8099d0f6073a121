/** @file The worker's computer, as the chat tells it: its device, and how long a picture takes. */
import type { Device } from '../config.ts';
import { duration } from '../format.ts';
import { pictureSize } from './picture-size.ts';
import type { ChannelSettings } from './schema.ts';
import type { ModelCard } from './model-card.ts';

/** Seconds of a model's programs at the size that it was trained on. */
export interface Speed {
  /** One sampling step with guidance. */
  readonly step: number;
  /** Decoding one picture. */
  readonly decoding: number;
  /** One training step; null where it failed. */
  readonly training: number | null;
  /** `computed`: from the device's speed in products, because running would take minutes. */
  readonly basis: 'measured' | 'computed';
}

/** What `krona device check` found. */
export interface DeviceCheck {
  /** ISO 8601. */
  readonly at: string;
  readonly device: Device;
  /** The card, or the processor where it computes. */
  readonly hardware: string;
  readonly krona: string;
  readonly onnxruntime: string;
  /** False if a value was wrong or a program failed. */
  readonly ok: boolean;
  /** By `speedKey`. */
  readonly speeds: Readonly<Record<string, Speed>>;
  /** Made with another version of Krona or onnxruntime than this. */
  readonly stale?: boolean;
}

export interface Computer {
  readonly device: Device;
  /** null: `krona device check` has not run. */
  readonly check: DeviceCheck | null;
  /**
   * Of pictures that were drawn for members: seconds a step at the model's own size, decoding and waiting included.
   * null: none was drawn yet.
   */
  readonly drawnStep: number | null;
  /** Of trainings: seconds an optimiser step, waiting not included; missing or null: none was trained yet. */
  readonly trainedStep?: number | null;
  /** Bytes that a model can take: of the machine, or free on the card when the worker started; null: not known. */
  readonly memory?: number | null;
}

type SizedModel = Pick<ModelCard, 'architecture' | 'nativeSize'>;

export const speedKey = ({ architecture, nativeSize }: SizedModel): string => `${architecture} ${nativeSize}`;

/** Pixels of a picture beside those of the model's own size. */
export function relativeArea(
  { width, height }: { readonly width: number; readonly height: number },
  { nativeSize }: Pick<ModelCard, 'nativeSize'>,
): number {
  return (width * height) / nativeSize ** 2;
}

type Drawn = Pick<ChannelSettings, 'size' | 'samplingSteps'>;

/** `About 8 s a picture, …`, in one sentence with where the number comes from; null: nobody knows. */
export function pictureTime(model: ModelCard, settings: Drawn): string | null {
  const { computer } = model;
  const area = relativeArea(pictureSize(settings, model), model);
  const steps = settings.samplingSteps;
  if (computer?.drawnStep)
    return `About ${short(computer.drawnStep * steps * area)} a picture, measured on the last pictures.`;
  const { check } = computer ?? {};
  const speed = check?.speeds[speedKey(model)];
  if (!check || !speed) return null;
  const origin = speed.basis === 'measured' ? 'measured' : 'computed, not measured,';
  return (
    `About ${short((speed.step * steps + speed.decoding) * area)} a picture, ${origin} by \`krona device check\` ` +
    `on ${check.at.slice(0, 10)}${check.stale ? ' with another version' : ''}.`
  );
}

/** The worker's computer in sentences, for moderators. @param model - null: no worker has started yet */
export function describeComputer(model: ModelCard | null): string {
  const { computer, name } = model ?? {};
  if (!computer) return 'No worker has said yet what it computes on.';
  const { device, check, drawnStep } = computer;
  return [
    `${name} runs on ${device}.`,
    ...(drawnStep
      ? [`${short(drawnStep)} a sampling step in the last pictures, with decoding and waiting.`]
      : []),
    check
      ? describeCheck(check)
      : '`krona device check` has not run here: it tells how fast this computer is.',
  ].join(' ');
}

/** A kept report in sentences, for those who look after the computer. */
export function describeCheck(check: DeviceCheck): string {
  const { device, hardware, at, ok, stale, speeds } = check;
  const known = Object.entries(speeds).map(([model, { step, training, basis }]) => {
    const trains = training === null ? '' : `, ${short(training)} a training step`;
    return `${model}²: ${short(step)} a sampling step${trains}${basis === 'computed' ? ' (computed)' : ''}`;
  });
  return [
    `${hardware} (${device}), checked on ${at.slice(0, 10)}${stale ? ' with another version (stale)' : ''}.`,
    ...(ok ? [] : ['The check failed.']),
    ...(known.length === 0 ? [] : [`${known.join('; ')}.`]),
  ].join(' ');
}

/** `0.31 s`, `8 s`, `4 min`. */
const short = (seconds: number): string =>
  seconds < 9.5 ? `${Number(seconds.toPrecision(2))} s` : duration(seconds);
