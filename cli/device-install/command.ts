/** @file `krona device install`: what onnxruntime needs for a device and npm doesn't bring. */
import { join, resolve } from 'node:path';
import { Argument, Option, type Command } from 'commander';
import { dataFolder } from '../../core/environment.ts';
import { KronaError } from '../../core/errors.ts';
import { runtimeVersion } from '../../core/package.ts';
import { runtimeFolder } from '../../gpu-worker/graph/cuda-libraries.ts';
import { deviceTrials } from '../../gpu-worker/graph/device-trial.ts';
import { action, type Shell } from '../output.ts';
import type { ProgressBar } from '../progress.ts';
import { installCuda, type InstallHooks } from './install-cuda.ts';
import { nugetPackage, pypiWheel, registries } from './registry.ts';

const MIB = 2 ** 20;

/** In the order in which they are asked. */
const SOURCES = { nuget: nugetPackage, pypi: pypiWheel } as const;

interface Given {
  from?: string;
  source?: keyof typeof SOURCES;
}

export function defineInstall(device: Command, shell: Shell): void {
  const install = device
    .command('install')
    .description("download onnxruntime's part for CUDA (Linux, x64), or take it from a file")
    .addArgument(new Argument('<device>', 'device to install').choices(['cuda']))
    .option(
      '--from <path>',
      'a NuGet package, a wheel of onnxruntime-gpu, or the folder where one is installed: no network is needed',
    );
  install.addOption(
    new Option('--source <registry>', 'ask only this registry (default: one after the other)')
      .choices(Object.keys(SOURCES))
      .conflicts('from'),
  );
  install.addHelpText(
    'after',
    '\nEnvironment: KRONA_NUGET_INDEX, PIP_INDEX_URL (registries), KRONA_CUDA_PATH (folders of NVIDIA’s libraries).',
  );
  action(install, shell, async (io, _device: string, { from, source }: Given) => {
    requireLinux();
    const known = registries();
    const sources = source === undefined ? Object.values(SOURCES) : [SOURCES[source]];
    const done = await installCuda(
      {
        version: runtimeVersion,
        to: runtimeFolder,
        downloads: join(resolve(dataFolder()), 'downloads'),
        from: from ?? sources.map((find) => (signal) => find(known, runtimeVersion, signal)),
      },
      { signal: io.signal, onNotice: (line) => io.log(line), ...progressOf(io.progress) },
    );
    const findings = await deviceTrials.examine('cuda');
    const works = findings.works ? 'CUDA works here.' : `It doesn't work here yet: ${findings.reason}.`;
    const what = done.already ? 'was installed already' : 'is installed';
    return {
      json: { ...done, works: findings.works, ...(findings.works ? {} : { reason: findings.reason }) },
      text: `CUDA for onnxruntime ${done.version} ${what}. ${works}`,
    };
  });
}

/** Shows MiB of the download. */
function progressOf(bar: ProgressBar): Pick<InstallHooks, 'onDownload' | 'onBytes'> {
  let total = 0;
  let phase = '';
  return {
    onDownload: (file) => {
      total = file.size;
      phase = `downloading ${file.path}, MiB`;
    },
    onBytes: (bytes) =>
      bar.show({ step: Math.floor(bytes / MIB), steps: Math.ceil(total / MIB), phase, secondsLeft: null }),
  };
}

/** @throws KronaError CUDA_PLATFORM */
function requireLinux(): void {
  if (process.platform === 'linux' && process.arch === 'x64') return;
  throw new KronaError(
    'CUDA_PLATFORM',
    `onnxruntime-node computes with CUDA on Linux x64 only, and this is ${process.platform} ${process.arch}. Use WebGPU or the CPU (docs/gpu.md).`,
  );
}
