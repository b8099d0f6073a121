/**
 * @file The settings of a picture in its PNG file, in the chunk and the words that AUTOMATIC1111's web UI writes and that
 * ComfyUI and sites for sharing pictures read.
 */
import { crc32 } from 'node:zlib';
import type { SchedulerName } from '../settings/choices.ts';

/** What draws a picture again. */
export interface PictureParameters {
  readonly prompt: string;
  readonly negative: string | null;
  readonly steps: number;
  /** null: the model's own. */
  readonly scheduler: SchedulerName | null;
  readonly guidance: number;
  readonly seed: number;
  readonly width: number;
  readonly height: number;
  /** Name of the model. */
  readonly model: string;
  /** How much of a picture could change that it began with; null: it began with noise. */
  readonly change: number | null;
}

/** The names there of the schedulers that have one. */
const SAMPLERS: Readonly<Partial<Record<SchedulerName, string>>> = {
  ddim: 'DDIM',
  ddpm: 'DDPM',
  euler: 'Euler',
  euler_a: 'Euler a',
  heun: 'Heun',
  lms: 'LMS',
  lms_karras: 'LMS Karras',
  kdpm2: 'DPM2',
  kdpm2_a: 'DPM2 a',
  unipc: 'UniPC',
  lcm: 'LCM',
  dpmpp_2m: 'DPM++ 2M',
  dpmpp_2m_karras: 'DPM++ 2M Karras',
  dpmpp_2m_sde: 'DPM++ 2M SDE',
  dpmpp_2m_sde_karras: 'DPM++ 2M SDE Karras',
  dpmpp_3m_sde: 'DPM++ 3M SDE',
  dpmpp_sde: 'DPM++ SDE',
  dpmpp_sde_karras: 'DPM++ SDE Karras',
  pndm: 'PLMS',
};

/** The words of the chunk. */
export function parametersText(parameters: PictureParameters): string {
  const { prompt, negative, steps, scheduler, guidance, seed, width, height, model, change } = parameters;
  const facts = [
    `Steps: ${steps}`,
    ...(scheduler === null ? [] : [`Sampler: ${SAMPLERS[scheduler] ?? scheduler}`]),
    `CFG scale: ${guidance}`,
    `Seed: ${seed}`,
    `Size: ${width}x${height}`,
    `Model: ${model}`,
    ...(change === null ? [] : [`Denoising strength: ${change}`]),
    'Version: Krona',
  ];
  return [prompt, ...(negative === null ? [] : [`Negative prompt: ${negative}`]), facts.join(', ')].join(
    '\n',
  );
}

const KEYWORD = 'parameters';
/** Signature and header: every PNG file begins with both. */
const HEAD_BYTES = 8 + 25;

/** A PNG file with a text under “parameters”: plain where it is ASCII, else international (PNG specification, 11.3.3). */
export function withParameters(png: Uint8Array, text: string): Buffer {
  const plain = /^[\n\x20-\x7e]*$/.test(text);
  const chunk = plain
    ? chunkOf('tEXt', Buffer.from(`${KEYWORD}\0${text}`))
    : chunkOf('iTXt', Buffer.from(`${KEYWORD}\0\0\0\0\0${text}`));
  return Buffer.concat([png.subarray(0, HEAD_BYTES), chunk, png.subarray(HEAD_BYTES)]);
}

function chunkOf(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(data.length);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(body), body.length + 4);
  return chunk;
}
