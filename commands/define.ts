/** @file Commands whose options have the types that they declare. */
import type { Card } from './card.ts';
import type {
  Command,
  CommandContext,
  CommandData,
  Invocation,
  OptionData,
  SubcommandData,
  ValuesOf,
} from './contract.ts';

type Run<Options extends readonly OptionData[]> = (
  invocation: Invocation<ValuesOf<Options>>,
  context: CommandContext,
) => Promise<Card>;

interface Declared<Options> {
  readonly options: Options;
}

/** One action of a command, for `commandOf`. */
export interface Action {
  readonly data: SubcommandData;
  readonly run: Command['run'];
}

/** `runCommand` has checked the values against the declaration, so they have its types. */
const typed =
  <Options extends readonly OptionData[]>(run: Run<Options>): Command['run'] =>
  (invocation, context) =>
    run(invocation as Invocation<ValuesOf<Options>>, context);

/** The actions that lists show: not those that are only typed. */
export const listed = (actions: readonly SubcommandData[]): SubcommandData[] =>
  actions.filter(({ typedOnly }) => !typedOnly);

export function action<const Options extends readonly OptionData[]>(
  data: SubcommandData & Declared<Options>,
  run: Run<Options>,
): Action {
  return { data, run: typed(run) };
}

/** `/krona <name> …` */
export function command<const Options extends readonly OptionData[]>(
  data: Omit<CommandData, 'actions'> & Declared<Options>,
  run: Run<Options>,
): Command {
  return { data, run: typed(run) };
}

/** `/krona <name> <action> …` */
export function commandOf(
  data: Omit<CommandData, 'actions' | 'options'>,
  actions: readonly Action[],
): Command {
  const runs = new Map(actions.map((each) => [each.data.name, each.run]));
  return {
    data: { ...data, options: [], actions: actions.map((each) => each.data) },
    async run(invocation, context) {
      const run = runs.get(invocation.action);
      // `declared` has found the action before anything runs.
      if (run === undefined) throw new Error(`/krona ${data.name} has no action ${invocation.action}`);
      return run(invocation, context);
    },
  };
}
