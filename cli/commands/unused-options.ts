/** @file Options of `krona train` that another one leaves without effect, so that nobody waits for what they do. */
import { defaultOf } from '../../core/settings/defaults.ts';
import type { TrainGiven } from './train-options.ts';

/** Options, what they need, and whether it is given. */
const NEEDS: readonly (readonly [
  options: readonly (keyof TrainGiven)[],
  need: string,
  met: (given: TrainGiven) => boolean,
])[] = [
  [['a1', 'a2', 'factors'], '--method krona', (given) => methodOf(given) === 'krona'],
  [['rank', 'alpha'], '--method lora', (given) => methodOf(given) === 'lora'],
  [['init'], '--method krona or lora', (given) => methodOf(given) !== 'full'],
  [['priorWeight', 'classPrompt', 'classPictures'], '--prior', ({ prior = 0 }) => prior > 0],
  [['background'], '--mask', ({ mask = defaultOf('mask') }) => mask !== 'off'],
  [['cuts'], '--crop random', ({ crop }) => crop === 'random'],
  [['scheduler'], '--sample', ({ sample = [] }) => sample.length > 0],
];

const methodOf = ({ method = defaultOf('method') }: TrainGiven) => method;

/** A sentence for each need that is not met. */
export function unusedOptions(given: TrainGiven): string[] {
  return NEEDS.flatMap(([options, need, met]) => {
    const unused = options.filter((option) => given[option] !== undefined);
    if (unused.length === 0 || met(given)) return [];
    return [`Without effect: ${unused.map(flagOf).join(', ')}. For that, give ${need}.`];
  });
}

/** `classPrompt` → `--class-prompt`. */
const flagOf = (option: string): string =>
  `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
