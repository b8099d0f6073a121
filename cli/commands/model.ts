/** @file `krona model check DIR`: whether a model folder is whole and would run here. */
import type { Command } from 'commander';
import { checkModel, type ModelReport } from '../../gpu-worker/models/model-check.ts';
import { action, type Shell } from '../output.ts';

export function define(model: Command, shell: Shell): void {
  const check = model
    .command('check')
    .description('tell architecture and parameters of a model folder, and what is wrong with it')
    .argument('<dir>', 'a folder as diffusers saves it');
  action(check, shell, async (_io, dir: string) => {
    const report = await checkModel(dir);
    return { json: report, text: describe(report), exitCode: report.ok ? 0 : 1 };
  });
}

function describe(report: ModelReport): string {
  const lines = [`architecture   ${report.architecture ?? 'unknown'}`];
  if (report.architecture !== null)
    lines.push(
      `UNet           ${report.unetParameters.toLocaleString('en')} parameters`,
      `text encoders  ${report.textEncoderParameters.toLocaleString('en')} parameters`,
      `VAE            ${report.vaeParameters.toLocaleString('en')} parameters`,
    );
  for (const { code, message } of report.problems) lines.push(`${code}: ${message}`);
  lines.push(report.ok ? 'This model runs here.' : 'This model does not run here.');
  return lines.join('\n');
}
