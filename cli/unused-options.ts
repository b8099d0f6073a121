/** @file Options that another one leaves without effect are named, so that nobody waits for what they do. */

/** Options, what they need in words, and whether it is given. */
export type Needs<Given> = readonly (readonly [
  options: readonly (keyof Given & string)[],
  need: string,
  met: (given: Given) => boolean,
])[];

/** A sentence for each need that is not met. */
export function unusedOptions<Given extends object>(given: Given, needs: Needs<Given>): string[] {
  return needs.flatMap(([options, need, met]) => {
    const unused = options.filter((option) => given[option] !== undefined);
    if (unused.length === 0 || met(given)) return [];
    return [`Without effect: ${unused.map(flagOf).join(', ')}. For that, give ${need}.`];
  });
}

/** `classPrompt` → `--class-prompt`. */
const flagOf = (option: string): string =>
  `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
