/**
 * @file What Slack takes as blocks and views: fields, types and limits of https://docs.slack.dev/reference/block-kit.
 * Every break of them is told in words; a field that is not in the reference is one.
 */
import { type Json, mimeOf, type Workspace } from './workspace.ts';

type Surface = 'message' | 'modal' | 'home';

interface Check {
  readonly workspace: Workspace;
  readonly surface: Surface;
  readonly errors: string[];
  /** Files that are not there or not ready: Slack refuses them too, but a client cannot always know. */
  readonly files: string[];
  readonly actionIds: Set<string>;
}

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Fields of an object: required ones end in `!`. */
function fields(check: Check, where: string, value: unknown, names: string): value is Json {
  if (!isObject(value)) {
    check.errors.push(`${where} is no object`);
    return false;
  }
  const list = names
    .split(' ')
    .map((name) => ({ name: name.replace('!', ''), required: name.endsWith('!') }));
  for (const key of Object.keys(value))
    if (!list.some(({ name }) => name === key)) check.errors.push(`${where} has the unknown field ${key}`);
  for (const { name, required } of list)
    if (required && value[name] === undefined) check.errors.push(`${where} lacks ${name}`);
  return true;
}

function length(check: Check, where: string, value: unknown, least: number, most: number): void {
  if (value === undefined) return;
  if (typeof value !== 'string' || value.length < least || value.length > most)
    check.errors.push(`${where} must be a text of ${least} to ${most} characters`);
}

function count(check: Check, where: string, value: unknown, least: number, most: number): value is unknown[] {
  if (Array.isArray(value) && value.length >= least && value.length <= most) return true;
  check.errors.push(`${where} must be a list of ${least} to ${most}`);
  return false;
}

function text(check: Check, where: string, value: unknown, most: number, plainOnly = false): void {
  if (value === undefined) return;
  if (!isObject(value) || !['plain_text', 'mrkdwn'].includes(String(value['type'])))
    return void check.errors.push(`${where} is no text object`);
  const plain = value['type'] === 'plain_text';
  if (plainOnly && !plain) check.errors.push(`${where} must be plain_text`);
  fields(check, where, value, plain ? 'type! text! emoji' : 'type! text! verbatim');
  length(check, `${where}.text`, value['text'], 1, most);
  const mention = plain ? null : /<(!channel|!here|!everyone|!subteam|@)/.exec(String(value['text']));
  if (mention) check.errors.push(`${where} pings with ${mention[0]}`);
}

function option(check: Check, where: string, value: unknown): void {
  if (!fields(check, where, value, 'text! value! description url')) return;
  text(check, `${where}.text`, value['text'], 75);
  text(check, `${where}.description`, value['description'], 75);
  length(check, `${where}.value`, value['value'], 1, 150);
}

function actionId(check: Check, where: string, value: Json): void {
  const id: unknown = value['action_id'];
  length(check, `${where}.action_id`, id, 1, 255);
  if (typeof id !== 'string') return;
  if (check.actionIds.has(id))
    check.errors.push(`${where} has the action_id ${id}, which another element has`);
  check.actionIds.add(id);
}

const ELEMENTS: Readonly<Record<string, (check: Check, where: string, value: Json) => void>> = {
  button(check, where, value) {
    fields(check, where, value, 'type! action_id! text! value style url confirm accessibility_label');
    text(check, `${where}.text`, value['text'], 75, true);
    length(check, `${where}.value`, value['value'], 1, 2000);
    if (value['style'] !== undefined && !['primary', 'danger'].includes(String(value['style'])))
      check.errors.push(`${where}.style is neither primary nor danger`);
  },
  plain_text_input(check, where, value) {
    fields(check, where, value, 'type! action_id! initial_value multiline min_length max_length placeholder');
    text(check, `${where}.placeholder`, value['placeholder'], 150, true);
    length(check, `${where}.initial_value`, value['initial_value'], 0, Number(value['max_length'] ?? 3000));
  },
  external_select(check, where, value) {
    fields(check, where, value, 'type! action_id! placeholder initial_option min_query_length');
    text(check, `${where}.placeholder`, value['placeholder'], 150, true);
    if (value['initial_option'] !== undefined)
      option(check, `${where}.initial_option`, value['initial_option']);
  },
  static_select(check, where, value) {
    fields(check, where, value, 'type! action_id! placeholder options! initial_option');
    if (!count(check, `${where}.options`, value['options'], 1, 100)) return;
    value['options'].forEach((each, index) => option(check, `${where}.options[${index}]`, each));
    const initial = JSON.stringify(value['initial_option']);
    if (initial && !value['options'].some((each) => JSON.stringify(each) === initial))
      check.errors.push(`${where}.initial_option is none of the options`);
  },
  checkboxes(check, where, value) {
    fields(check, where, value, 'type! action_id! options! initial_options');
    if (count(check, `${where}.options`, value['options'], 1, 10))
      value['options'].forEach((each, index) => option(check, `${where}.options[${index}]`, each));
  },
  file_input(check, where, value) {
    fields(check, where, value, 'type! action_id! filetypes max_files');
    const most: unknown = value['max_files'];
    if (most !== undefined && !(Number.isInteger(most) && Number(most) >= 1 && Number(most) <= 10))
      check.errors.push(`${where}.max_files must be 1 to 10`);
  },
};

function element(check: Check, where: string, value: unknown, kinds: readonly string[]): void {
  if (!isObject(value) || !kinds.includes(String(value['type'])))
    return void check.errors.push(`${where} is none of ${kinds.join(', ')}`);
  ELEMENTS[String(value['type'])]!(check, where, value);
  actionId(check, where, value);
}

function slackFile(check: Check, where: string, value: unknown): void {
  if (!fields(check, where, value, 'id url')) return;
  if ((value['id'] === undefined) === (value['url'] === undefined))
    check.errors.push(`${where} must have one of id and url`);
  const file = check.workspace.files.get(String(value['id']));
  if (!file || file.deleted) check.files.push(`${where}: no such file`);
  else if (!check.workspace.isReady(file)) check.files.push(`${where}: the file is not ready`);
  else if (!['image/png', 'image/jpeg', 'image/gif'].includes(mimeOf(file)))
    check.errors.push(`${where} is ${mimeOf(file)}, which image blocks cannot show`);
}

const INPUTS = ['plain_text_input', 'external_select', 'static_select', 'checkboxes', 'file_input'];

const BLOCKS: Readonly<Record<string, (check: Check, where: string, value: Json) => void>> = {
  header(check, where, value) {
    fields(check, where, value, 'type! block_id text!');
    text(check, `${where}.text`, value['text'], 150, true);
  },
  section(check, where, value) {
    fields(check, where, value, 'type! block_id text fields accessory expand');
    if (value['text'] === undefined && value['fields'] === undefined)
      check.errors.push(`${where} has neither text nor fields`);
    text(check, `${where}.text`, value['text'], 3000);
    if (value['fields'] !== undefined && count(check, `${where}.fields`, value['fields'], 1, 10))
      value['fields'].forEach((each, index) => text(check, `${where}.fields[${index}]`, each, 2000));
  },
  context(check, where, value) {
    fields(check, where, value, 'type! block_id elements!');
    if (count(check, `${where}.elements`, value['elements'], 1, 10))
      value['elements'].forEach((each, index) => text(check, `${where}.elements[${index}]`, each, 3000));
  },
  divider: (check, where, value) => void fields(check, where, value, 'type! block_id'),
  image(check, where, value) {
    fields(check, where, value, 'type! block_id alt_text! title image_url slack_file');
    length(check, `${where}.alt_text`, value['alt_text'], 1, 2000);
    text(check, `${where}.title`, value['title'], 2000, true);
    if ((value['image_url'] === undefined) === (value['slack_file'] === undefined))
      check.errors.push(`${where} must have one of image_url and slack_file`);
    if (value['slack_file'] !== undefined) slackFile(check, `${where}.slack_file`, value['slack_file']);
  },
  actions(check, where, value) {
    fields(check, where, value, 'type! block_id elements!');
    if (count(check, `${where}.elements`, value['elements'], 1, 25))
      value['elements'].forEach((each, index) =>
        element(check, `${where}.elements[${index}]`, each, ['button', 'static_select', 'external_select']),
      );
  },
  input(check, where, value) {
    if (check.surface === 'message') check.errors.push(`${where}: messages take no input blocks`);
    fields(check, where, value, 'type! block_id label! hint optional element! dispatch_action');
    text(check, `${where}.label`, value['label'], 2000, true);
    text(check, `${where}.hint`, value['hint'], 2000, true);
    element(check, `${where}.element`, value['element'], INPUTS);
  },
};

function blocks(check: Check, value: unknown, most: number): void {
  if (!count(check, 'blocks', value, 0, most)) return;
  const ids = new Set<unknown>();
  value.forEach((block, index) => {
    const where = `blocks[${index}]`;
    const rule = isObject(block) ? BLOCKS[String(block['type'])] : undefined;
    if (!isObject(block) || !rule) return void check.errors.push(`${where} has no type that is known`);
    const id: unknown = block['block_id'];
    length(check, `${where}.block_id`, id, 1, 255);
    if (id !== undefined && ids.has(id))
      check.errors.push(`${where}.block_id ${JSON.stringify(id)} is there twice`);
    ids.add(id);
    rule(check, where, block);
  });
}

export interface Verdict {
  readonly errors: readonly string[];
  readonly files: readonly string[];
}

const begin = (workspace: Workspace, surface: Surface): Check => ({
  workspace,
  surface,
  errors: [],
  files: [],
  actionIds: new Set(),
});

export function checkBlocks(workspace: Workspace, value: unknown): Verdict {
  const check = begin(workspace, 'message');
  blocks(check, value, 50);
  return check;
}

export function checkView(workspace: Workspace, value: unknown): Verdict {
  const surface = isObject(value) && value['type'] === 'home' ? 'home' : 'modal';
  const check = begin(workspace, surface);
  const common = 'type! blocks! private_metadata callback_id external_id';
  const names = surface === 'home' ? common : `${common} title! submit close clear_on_close notify_on_close`;
  if (!fields(check, 'view', value, names)) return check;
  for (const name of ['title', 'submit', 'close']) text(check, `view.${name}`, value[name], 24, true);
  length(check, 'view.private_metadata', value['private_metadata'], 0, 3000);
  length(check, 'view.callback_id', value['callback_id'], 1, 255);
  blocks(check, value['blocks'], 100);
  const inputs =
    Array.isArray(value['blocks']) && (value['blocks'] as Json[]).some(({ type }) => type === 'input');
  if (surface === 'modal' && inputs && value['submit'] === undefined) check.errors.push('view lacks submit');
  return check;
}
