/** @file `krona adapter inspect FILE`: what an adapter file is. */
import type { Command } from 'commander';
import { inspectAdapter, type AdapterReport } from '../../gpu-worker/adapters/inspect.ts';
import { action, type Shell } from '../output.ts';

export function define(adapter: Command, shell: Shell): void {
  const inspect = adapter
    .command('inspect')
    .description('tell format, targets, parameters, factors and base of an adapter file')
    .argument('<file>', 'a .safetensors file');
  action(inspect, shell, async (_io, file: string) => {
    const report = await inspectAdapter(file);
    return { json: report, text: describe(report) };
  });
}

function describe({ format, method, targets, parameters, factors, base, metadata }: AdapterReport): string {
  const pairs = [factors].flat().map(({ a1, a2 }) => `${a1}×${a2}`);
  const subject = [metadata['krona.subject_token'], metadata['krona.subject_class']]
    .filter(Boolean)
    .join(' ');
  const lines: [string, string | null | undefined][] = [
    ['format', `${format} (method ${method})`],
    ['targets', `${targets.length}: ${summary(targets)}`],
    ['parameters', parameters.toLocaleString('en')],
    ['factors', pairs.join(', ')],
    ['base', [base.model, base.version].filter((part) => part !== null).join(', ') || 'not said'],
    ['subject', subject],
    ['steps', metadata['krona.steps'] ?? metadata['ss_steps']],
    ['seed', metadata['krona.seed'] ?? metadata['ss_seed']],
  ];
  return lines
    .filter(([, value]) => value)
    .map(([name, value]) => `${name.padEnd(11)} ${value}`)
    .join('\n');
}

/** `attn1.to_q, attn1.to_k, …` */
function summary(targets: readonly string[]): string {
  const kinds = new Set(targets.map((path) => path.replace(/^.*\.transformer_blocks\.\d+\./, '')));
  return [...kinds].sort().slice(0, 8).join(', ') + (kinds.size > 8 ? ', …' : '');
}
