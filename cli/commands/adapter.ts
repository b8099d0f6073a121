/** @file `krona adapter`: inspects adapter files and converts them to other formats. */
import { Option, type Command } from 'commander';
import { adapterBase } from '../../gpu-worker/adapters/files/adapter-base.ts';
import { convertAdapter, CONVERSIONS, type Conversion } from '../../gpu-worker/adapters/files/convert.ts';
import { inspectAdapter, type AdapterReport } from '../../gpu-worker/adapters/files/inspect.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import { checked } from '../options.ts';
import { action, type Shell } from '../output.ts';

/** What commander gives: values that were checked one by one. */
interface Given {
  to: (typeof CONVERSIONS)[number];
  out: string;
  names?: 'kohya' | 'diffusers';
  rank?: number;
  model?: string;
}

export function define(adapter: Command, shell: Shell): void {
  defineInspect(adapter, shell);
  defineConvert(adapter, shell);
}

function defineConvert(adapter: Command, shell: Shell): void {
  const rank = {
    description: 'Allow an approximate LoRA of this rank',
    type: 'integer',
    min: 1,
  } as const;
  const convert = adapter
    .command('convert')
    .description('convert an adapter to another format; fails if it would not be exact')
    .argument('<file>', '.safetensors file, or PEFT folder')
    .addOption(new Option('--to <format>', 'output format').choices(CONVERSIONS).makeOptionMandatory())
    .requiredOption('--out <file>', 'output file; a folder for peft')
    .addOption(
      new Option('--names <style>', 'naming style of a LoRA')
        .choices(['kohya', 'diffusers'])
        .default('kohya'),
    )
    .addOption(checked('--rank <n>', { ...rank, max: 4096 }, 'exact conversion only'))
    .option('--model <path>', 'check the adapter against this model');
  action(convert, shell, async (_io, file: string, given: Given) => {
    const { to, out, names, rank, model } = given;
    const result = await convertAdapter(file, {
      to,
      out,
      ...(names ? { names } : {}),
      ...(rank === undefined ? {} : { rank }),
      ...(model === undefined ? {} : { base: adapterBase(await openModel(model)) }),
    });
    return { json: result, text: describeConversion(result) };
  });
}

function describeConversion(result: Conversion): string {
  const { out, format, modules, parameters, rank, error, worst, notes } = result;
  const percent = (share: number) => `${(share * 100).toFixed(2)}%`;
  const size = `${modules} modules, ${parameters.toLocaleString('en')} parameters`;
  return [
    `${out}: ${format}, ${size}${rank === null ? '' : `, rank up to ${rank}`}`,
    worst === null || error === 0
      ? 'ΔW is the same'
      : `ΔW differs by ${percent(error)} of its norm, most in ${worst.module} (${percent(worst.error)})`,
    ...notes,
  ].join('\n');
}

function defineInspect(adapter: Command, shell: Shell): void {
  const inspect = adapter
    .command('inspect')
    .description('show the format, targets, parameters, factors or rank, and base model of an adapter')
    .argument('<file>', '.safetensors file, or PEFT folder');
  action(inspect, shell, async (_io, file: string) => {
    const report = await inspectAdapter(file);
    return { json: report, text: describe(report) };
  });
}

function describe(report: AdapterReport): string {
  const { format, method, targets, parameters, factors, rank, scale, base, metadata, notes } = report;
  const pairs = [factors].flat().flatMap((pair) => (pair ? `${pair.a1}×${pair.a2}` : []));
  const list = (values: number | readonly number[] | null) =>
    values === null ? null : [values].flat().join(', ');
  const subject = [metadata['krona.subject_token'], metadata['krona.subject_class']]
    .filter(Boolean)
    .join(' ');
  const lines: [string, string | null | undefined][] = [
    ['format', `${format} (method ${method})`],
    ['targets', `${targets.length}: ${summary(targets)}`],
    ['parameters', parameters.toLocaleString('en')],
    ['factors', pairs.join(', ')],
    ['rank', list(rank)],
    ['scale', list(scale)],
    ['base', [base.model, base.version].filter((part) => part !== null).join(', ') || 'unknown'],
    ['subject', subject],
    ['steps', metadata['krona.steps'] ?? metadata['ss_steps']],
    ['seed', metadata['krona.seed'] ?? metadata['ss_seed']],
  ];
  return lines
    .filter(([, value]) => value)
    .map(([name, value]) => `${name.padEnd(11)} ${value}`)
    .concat(notes)
    .join('\n');
}

/** `attn1.to_q, attn1.to_k, …` */
function summary(targets: readonly string[]): string {
  const kinds = new Set(targets.map((path) => path.replace(/^.*\.(?:transformer_blocks|layers)\.\d+\./, '')));
  return [...kinds].sort().slice(0, 8).join(', ') + (kinds.size > 8 ? ', …' : '');
}
