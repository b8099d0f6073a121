/** @file Command-line options that are checked as the chat's are, with the same messages. */
import { Option } from 'commander';
import type { OptionData } from '../commands/contract.ts';
import { checkOptions } from '../commands/line/options.ts';
import { embeddedModel } from '../core/package.ts';

/**
 * @param flags as commander wants them, e.g. `--a1 <n>`
 * @param fallback what help says about leaving it out
 */
export function checked(flags: string, data: OptionData, fallback?: string): Option {
  const facts = [data.choices?.join(', '), fallback === undefined ? undefined : `default: ${fallback}`];
  const said = facts.filter((fact) => fact !== undefined).join('; ');
  const description = data.description.charAt(0).toLowerCase() + data.description.slice(1);
  return new Option(flags, said === '' ? description : `${description} (${said})`).argParser(
    (value: string) =>
      checkOptions({ name: '', description: '', options: [data] }, { [data.name]: value })[data.name],
  );
}

/** `--model`: KRONA_MODEL, or the embedded one by default. */
export function modelOption(): Option {
  return new Option('--model <dir>', 'model folder').default(
    process.env['KRONA_MODEL'] || embeddedModel,
    'the embedded model, or KRONA_MODEL',
  );
}
