/** @file Options of the command line: settings from their table, and others that are checked in the same way. */
import { Option, type Command } from 'commander';
import { readEnvironment } from '../core/environment.ts';
import { embeddedModel } from '../core/package.ts';
import { defaultText } from '../core/settings/defaults.ts';
import { readSetting } from '../core/settings/read.ts';
import { onCommandLine } from '../core/settings/schema.ts';
import type { Setting } from '../core/settings/setting.ts';
import { readValue, type ValueSpec } from '../core/values.ts';

/** `Training steps` → `training steps (default: 1000)`; names and abbreviations keep their capitals. */
function helpText(description: string, facts: readonly (string | undefined)[]): string {
  const text = /^[A-Z][a-z]/.test(description)
    ? description.charAt(0).toLowerCase() + description.slice(1)
    : description;
  const said = facts.filter((fact) => fact !== undefined).join('; ');
  if (said === '') return text;
  return text.endsWith(')') ? `${text.slice(0, -1)}; ${said})` : `${text} (${said})`;
}

/**
 * An option whose value is checked when it is read.
 *
 * @param flags as commander wants them, e.g. `--rank <n>`
 * @param fallback what help says of the default
 */
export function checked(
  flags: string,
  spec: Omit<ValueSpec, 'name'> & { readonly description: string },
  fallback?: string,
): Option {
  const [name = flags] = flags.split(' ');
  return new Option(
    flags,
    helpText(spec.description, [
      spec.choices?.join(', '),
      fallback === undefined ? undefined : `default: ${fallback}`,
    ]),
  ).argParser((typed: string) => readValue({ ...spec, name }, typed));
}

/** Adds the settings of a table that the command line has, in the table's order. */
export function addSettings(command: Command, table: Readonly<Record<string, Setting>>): void {
  for (const each of Object.values(table)) {
    const setting = onCommandLine(each);
    if (setting === null) continue;
    const { name, description, type, choices, parts } = setting;
    const fallback = `default: ${defaultText(setting)}`;
    if (type !== 'flag') {
      const facts = [parts ? undefined : choices?.join(', '), fallback];
      command.addOption(
        new Option(`${name} <${each.cli?.value ?? 'value'}>`, helpText(description, facts)).argParser(
          (typed: string) => readSetting(setting, typed),
        ),
      );
    } else if (setting.default === false) {
      command.option(name, helpText(description, []));
    } else {
      command.option(name, helpText(description, [fallback]));
      command.option(name.replace('--', '--no-'), `turn off ${name}`);
    }
  }
}

/** `--seed`, of the same meaning for pictures and trainings. */
export function seedOption(what: 'picture' | 'adapter', fallback: string): Option {
  return checked(
    '--seed <n>',
    {
      description: `Random seed; the same seed gives the same ${what}`,
      type: 'integer',
      min: 0,
      max: Number.MAX_SAFE_INTEGER,
    },
    fallback,
  );
}

/** `--model`: KRONA_MODEL, or the embedded one by default. */
export function modelOption(): Option {
  return new Option('--model <dir>', 'model folder').default(
    readEnvironment().KRONA_MODEL ?? embeddedModel,
    'KRONA_MODEL, or the embedded model',
  );
}

/** A repeatable option's values, in order. */
export const collected = (value: string, earlier: readonly string[] = []): readonly string[] => [
  ...earlier,
  value,
];
