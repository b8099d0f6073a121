/** @file Programs on a device, compared with the CPU, and where their nodes ran. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Device } from '../../core/config.ts';
import { currentDevice, currentDialect, useDevice } from '../../gpu-worker/graph/device.ts';
import type { Dialect } from '../../gpu-worker/graph/dialect.ts';
import { relativeError } from '../../gpu-worker/graph/relative-error.ts';
import { Session, type Results } from '../../gpu-worker/graph/runtime.ts';
import type { Program } from '../../gpu-worker/graph/compile.ts';
import { randomInputs } from '../../cli/device-check/random-inputs.ts';

/** Whether this process's device computes in 16 bits. */
export const hasHalf = currentDevice() === 'cpu' || currentDialect().drawing === 'float16';

export interface OnDevice {
  /** ‖found − expected‖ / ‖expected‖ of the worst output. */
  readonly error: number;
  /** Names of the operators that ran on each provider, such as WebGpu and CPU; copies between them too. */
  readonly operators: Readonly<Record<string, readonly string[]>>;
}

/** Runs what `make` compiles on the CPU in 32 bits, and on the device as its dialect says. */
export async function compareWithCpu(
  make: () => Program,
  device: Device,
  dialect: Dialect,
): Promise<OnDevice> {
  useDevice('cpu');
  const expected = await results(make());
  useDevice(device, dialect);
  const folder = await mkdtemp(join(tmpdir(), 'krona-profile-'));
  try {
    const found = await results(make(), join(folder, 'run'));
    const errors = Object.entries(expected).map(([name, values]) => relativeError(found[name], values));
    return { error: Math.max(...errors), operators: await operatorsByProvider(folder) };
  } finally {
    useDevice('cpu');
    await rm(folder, { recursive: true });
  }
}

async function results(program: Program, profilePrefix?: string): Promise<Results> {
  const session = await Session.create(program, profilePrefix === undefined ? {} : { profilePrefix });
  try {
    return await session.run(randomInputs(program));
  } finally {
    if (profilePrefix !== undefined) session.endProfiling();
    await session.release();
  }
}

interface ProfileEvent {
  readonly cat: string;
  readonly name: string;
  readonly args?: { readonly provider?: string; readonly op_name?: string };
}

async function operatorsByProvider(folder: string): Promise<OnDevice['operators']> {
  const [file = ''] = await readdir(folder);
  const events = JSON.parse(await readFile(join(folder, file), 'utf8')) as ProfileEvent[];
  const operators: Record<string, string[]> = {};
  for (const { cat, name, args } of events) {
    if (cat !== 'Node' || !name.endsWith('_kernel_time')) continue;
    const provider = (args?.provider ?? '').replace('ExecutionProvider', '');
    (operators[provider] ??= []).push(args?.op_name ?? '');
  }
  return operators;
}
