/** @file Checks the definitions of commands when the program starts. */
import type { Command, OptionData, SubcommandData } from './contract.ts';

const NAME = /^[a-z][a-z0-9_]{0,31}$/;

/** Most options, choices, actions or commands in one list: Discord's limit. */
const MOST = 25;

function complain(where: string, problem: string): never {
  throw new Error(`Bad command definition: ${where}: ${problem}`);
}

function checkNamed(where: string, item: { readonly name: string; readonly description: string }): void {
  if (!NAME.test(item.name)) complain(where, `name “${item.name}” must match ${NAME.source}`);
  const length = [...item.description].length;
  if (length < 1 || length > 100) complain(where, `its description has ${length} characters, not 1 to 100`);
}

function checkUnique(
  where: string,
  what: string,
  items: readonly { readonly name: string }[],
  most = MOST,
): void {
  if (items.length > most) complain(where, `${items.length} ${what}, more than ${most}`);
  const names = items.map((item) => item.name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) complain(where, `${what} “${twice}” defined twice`);
}

function checkOption(where: string, option: OptionData): void {
  checkNamed(where, option);
  const numeric = option.type === 'integer' || option.type === 'number';
  if (option.choices && (option.type !== 'text' || option.choices.length < 1 || option.choices.length > MOST))
    complain(where, `choices are for text options, 1 to ${MOST} of them`);
  if (option.choices && option.complete) complain(where, 'has both choices and completion');
  if (!numeric && (option.min !== undefined || option.max !== undefined || option.aboveMin))
    complain(where, 'bounds are for numbers');
  if (option.aboveMin && option.min === undefined) complain(where, 'aboveMin needs min');
  if (option.min !== undefined && option.max !== undefined && option.min > option.max)
    complain(where, `min ${option.min} is above max ${option.max}`);
  if (option.type !== 'text' && (option.maxLength !== undefined || option.freeText || option.mentions))
    complain(where, 'maxLength, freeText and mentions are for text');
}

function checkOptionList(where: string, data: SubcommandData): void {
  checkUnique(where, 'options', data.options, data.typedOnly ? Infinity : MOST);
  data.options.forEach((option) => checkOption(`${where} ${option.name}`, option));
  for (const kind of ['freeText', 'photos'] as const) {
    const count = data.options.filter((o) => (kind === 'photos' ? o.type === kind : o.freeText)).length;
    if (count > 1) complain(where, `${count} ${kind} options, at most one is possible`);
  }
  const firstOptional = data.options.findIndex((option) => !option.required);
  const late = data.options.slice(firstOptional).find((option) => option.required);
  if (firstOptional !== -1 && late)
    complain(where, `required option ${late.name} comes after an optional one`);
}

/**
 * Checks every definition and the list as a whole.
 *
 * @throws Error naming the command and what is wrong with it
 */
export function checkDefinitions(commands: readonly Command[]): void {
  checkUnique(
    'the list',
    'commands',
    commands.map((command) => command.data),
  );
  for (const { data } of commands) {
    const where = `/krona ${data.name}`;
    checkNamed(where, data);
    checkOptionList(where, data);
    if (data.actions === undefined) continue;
    if (data.options.length > 0) complain(where, 'has actions, so its options belong to them');
    if (data.actions.length === 0) complain(where, 'has an empty list of actions');
    checkUnique(where, 'actions', data.actions);
    for (const action of data.actions) {
      checkNamed(`${where} ${action.name}`, action);
      checkOptionList(`${where} ${action.name}`, action);
    }
  }
}
