/** @file A trial as people type it: a name, then options of `krona train` that differ from the defaults. */
import { KronaError } from '../../core/errors.ts';
import { targetsOf, type TargetList } from '../../core/settings/choices.ts';
import { readSetting } from '../../core/settings/read.ts';
import { onCommandLine } from '../../core/settings/schema.ts';
import type { Setting } from '../../core/settings/setting.ts';
import { TRAIN_SETTINGS } from '../../core/settings/train-table.ts';
import type { Trial } from './comparison-plan.ts';

/** Class pictures take a folder and a prompt too, masks a file beside each photo; a norm of 0 would stand for none. */
const NOT_HERE: readonly string[] = ['prior', 'priorWeight', 'mask', 'background', 'maxGradNorm'];

/**
 * `wider a1=4 a2=16 targets=attention,feed-forward`: options by their names on the command line, without dashes.
 *
 * @throws KronaError TRIAL_INVALID, OPTION_INVALID
 */
export function readTrial(text: string): Trial {
  const [name = '', ...pairs] = text.trim().split(/\s+/);
  if (!/^[\w-]{1,40}$/.test(name) || pairs.length === 0)
    throw new KronaError(
      'TRIAL_INVALID',
      `“${text}” isn't a trial. Type a name and at least one option of \`krona train\`, such as “wider a1=4 a2=16”.`,
    );
  const options = Object.fromEntries(pairs.map(readOption));
  // readSetting gives each value the type that the table declares.
  return { name, options: options };
}

function readOption(pair: string): readonly [string, unknown] {
  const [word = '', value = ''] = pair.split('=', 2);
  const settings: Readonly<Record<string, Setting>> = TRAIN_SETTINGS;
  const [key, setting] =
    Object.entries(settings).find(([id, { cli }]) => cli?.name === word && !NOT_HERE.includes(id)) ?? [];
  const spelled = setting && onCommandLine(setting);
  if (key === undefined || !spelled)
    throw new KronaError('TRIAL_INVALID', `“${word}” isn't an option that a trial can have.`);
  const read = readSetting(spelled, value);
  return [key, key === 'targets' ? targetsOf(read as TargetList) : read];
}
