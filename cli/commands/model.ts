/** @file `krona model`: checks whether a model is complete and supported; downloads models. */
import { at } from '../../core/at.ts';
import { join, resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { dataFolder } from '../../core/environment.ts';
import { ARCHITECTURES } from '../../gpu-worker/models/architecture.ts';
import { PARTS, type Part } from '../../gpu-worker/models/hub/choose-files.ts';
import { hubSettings } from '../../gpu-worker/models/hub/hub-client.ts';
import { pullModel, type PullResult } from '../../gpu-worker/models/hub/pull.ts';
import { openTinyAutoencoder } from '../../gpu-worker/models/tiny-autoencoder.ts';
import { openTowerFolder } from '../../gpu-worker/models/vision/open-tower.ts';
import { reportOf, type ModelInspection } from '../../gpu-worker/models/model-check.ts';
import { inspectSampling } from '../../gpu-worker/sampling/inspect-sampling.ts';
import { KronaError } from '../../core/errors.ts';
import { action, type Shell } from '../output.ts';

interface PullGiven {
  variant?: string;
  revision: string;
  only?: Part[];
  file?: string;
  to?: string;
}

export function define(model: Command, shell: Shell): void {
  defineCheck(model, shell);
  definePull(model, shell);
}

function defineCheck(model: Command, shell: Shell): void {
  const check = model
    .command('check')
    .description('show the architecture, parameters and problems of a model')
    .argument('<path>', 'diffusers folder, or single .safetensors checkpoint');
  action(check, shell, async (_io, path: string) => {
    const found = await inspectSampling(path);
    return { json: reportOf(found), text: describe(found), exitCode: found.ok ? 0 : 1 };
  });
}

function definePull(model: Command, shell: Shell): void {
  const pull = model
    .command('pull')
    .description('download a model from the Hugging Face hub, or resume a download')
    .argument(
      '<repo>',
      'owner/name, such as stabilityai/stable-diffusion-xl-base-1.0 or facebook/dino-vits16',
    )
    .option('--variant <name>', 'variant of the weights, such as fp16 (default: full precision)')
    .option('--revision <name>', 'branch, tag or commit', 'main')
    .addOption(
      new Option('--only <parts>', `only these parts, with commas between: ${PARTS.join(', ')}`).argParser(
        partsOf,
      ),
    )
    .option('--file <path>', 'download this single-file checkpoint instead of the diffusers folder')
    .option('--to <dir>', 'folder for the files (default: models/<name> in KRONA_DATA)');
  pull.addHelpText('after', '\nEnvironment: HF_TOKEN, for gated models.');
  action(pull, shell, async (io, repo: string, given: PullGiven) => {
    const { to, ...options } = given;
    const folder = to ?? join(dataFolder(), 'models', at(repo.split('/'), -1));
    const result = await pullModel({ ...options, repo, to: resolve(folder) }, hubSettings(), {
      signal: io.signal,
      onProgress: (progress) => io.progress.show(progress),
    });
    if (result.files.includes('preprocessor_config.json')) {
      const { config } = await openTowerFolder(result.path);
      const [option, variable] =
        config.model_type === 'clip' ? ['clip', 'KRONA_CLIP'] : ['dino', 'KRONA_DINO'];
      const use = `Use it with \`krona evaluate adapter --${option}\` or ${variable}.`;
      return { json: { ...result, model: null }, text: `${describePull(result)}\n${use}` };
    }
    if (given.only === undefined && given.file === undefined && !result.files.includes('model_index.json')) {
      await openTinyAutoencoder(result.path);
      const use =
        'Use it with `krona imagine --previews`, and in chat as KRONA_TAESD (SD) or KRONA_TAESDXL (SDXL).';
      return { json: { ...result, model: null }, text: `${describePull(result)}\n${use}` };
    }
    if (given.only !== undefined) return { json: { ...result, model: null }, text: describePull(result) };
    const found = await inspectSampling(result.path);
    return {
      json: { ...result, model: reportOf(found) },
      text: `${describePull(result)}\n${describe(found)}\nUse it with --model or KRONA_MODEL.`,
      exitCode: found.ok ? 0 : 1,
    };
  });
}

function partsOf(value: string): Part[] {
  return value.split(',').map((typed) => {
    const part = PARTS.find((known) => known === typed.trim());
    if (part !== undefined) return part;
    throw new KronaError(
      'OPTION_INVALID',
      `\`--only\` must be one or more of ${PARTS.join(', ')}, with commas between; you gave “${typed.trim()}”.`,
    );
  });
}

function describePull({ path, files, bytes, downloaded, commit }: PullResult): string {
  const mib = (count: number): string => `${(count / 2 ** 20).toFixed(1)} MiB`;
  return `${path}: ${files.length} files, ${mib(bytes)} (${mib(downloaded)} downloaded), commit ${commit.slice(0, 12)}`;
}

function describe({ architecture, parts, problems, ok }: ModelInspection): string {
  const label = architecture === null ? 'unknown' : `${architecture} (${ARCHITECTURES[architecture].label})`;
  const lines = [`architecture   ${label}`];
  for (const { name, parameters, dtypes } of parts)
    lines.push(`${name.padEnd(14)} ${parameters.toLocaleString('en')} parameters, ${dtypes.join(' and ')}`);
  for (const { code, message } of problems) lines.push(`${code}: ${message}`);
  lines.push(ok ? 'Krona can run this model.' : 'Krona cannot run this model.');
  return lines.join('\n');
}
