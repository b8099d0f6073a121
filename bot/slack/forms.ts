/**
 * @file Forms for commands that take photos, as slash commands carry text alone. A form is made from what the command
 * declares and says in its private metadata all that its submission needs, so it outlives a restart.
 * https://docs.slack.dev/surfaces/modals
 */
import type { types } from '@slack/bolt';
import { MAX_FILES } from '../../commands/photos/photo-intake.ts';
import type { OptionData, SubcommandData } from '../../commands/contract.ts';
import { COMMANDS } from '../../commands/index.ts';
import type { Place } from '../gateway.ts';
import { cut, escapeText, unmarked } from './text.ts';

export const FORM_CALLBACK = 'krona_form';
/** Action id of the list of what an option could be. */
export const COMPLETED = 'complete:';

const CONSENT = 'consent';
const PHOTOS = 'photos';
const FILE_TYPES = ['png', 'jpg', 'jpeg', 'webp', 'gif', 'avif', 'tif', 'tiff'];

/** What a form is for. */
export interface FormPurpose {
  readonly command: string;
  readonly action: string;
  readonly place: Place;
  /** The address for answers of the event that opened the form, and when it came. */
  readonly responseUrl: string | null;
  readonly at: number;
  /** Files of a message, when the form takes those and no others. */
  readonly files: readonly { readonly id: string; readonly name: string }[];
}

/** What was filled in. */
export interface FilledForm {
  readonly options: Readonly<Record<string, string>>;
  readonly files: readonly { readonly id: string; readonly name?: string; readonly size?: number }[];
  readonly consent: boolean;
}

type Values = Readonly<Record<string, Readonly<Record<string, FieldValue>>>>;

interface FieldValue {
  readonly value?: string | null;
  readonly selected_option?: { readonly value: string } | null;
  readonly selected_options?: readonly unknown[];
  readonly files?: readonly { readonly id: string; readonly name?: string | null; readonly size?: number }[];
}

/** The declaration of a command that takes photos; null for all others, which need no form. */
export function photoCommand(command: string, action: string): SubcommandData | null {
  const data = COMMANDS.find((each) => each.data.name === command)?.data;
  const chosen = data?.actions ? data.actions.find((each) => each.name === action) : data;
  return chosen?.options.some(({ type }) => type === 'photos') ? chosen : null;
}

const plain = (text: string, most: number): types.PlainTextElement => ({
  type: 'plain_text',
  text: cut(unmarked(text), most),
  emoji: false,
});

const option = (value: string, label = value): types.PlainTextOption => ({
  text: plain(label, 75),
  value: cut(value, 75),
});

function element(data: OptionData, given: string | undefined): types.InputBlock['element'] {
  if (data.complete)
    return {
      type: 'external_select',
      action_id: `${COMPLETED}${data.name}`,
      min_query_length: 0,
      placeholder: plain('Type a name, also a new one', 150),
      ...(given && { initial_option: option(given) }),
    };
  const choice = data.choices?.find((each) => each === given?.toLowerCase());
  if (data.choices)
    return {
      type: 'static_select',
      action_id: data.name,
      options: data.choices.map((each) => option(each)),
      ...(choice && { initial_option: option(choice) }),
    };
  return {
    type: 'plain_text_input',
    action_id: data.name,
    ...(given && { initial_value: cut(given, data.maxLength ?? 150) }),
    max_length: data.maxLength ?? 150,
  };
}

function optionBlock(data: OptionData, given: string | undefined): types.InputBlock {
  return {
    type: 'input',
    block_id: data.name,
    label: plain(data.name[0]!.toUpperCase() + data.name.slice(1), 2_000),
    hint: plain(data.description, 2_000),
    optional: data.required !== true,
    element: element(data, given),
  };
}

function photoBlock(data: OptionData): types.InputBlock {
  return {
    type: 'input',
    block_id: PHOTOS,
    label: plain('Photos', 2_000),
    hint: plain(`1 to ${MAX_FILES} pictures of at most 10 MB each; 4 to 10 different ones work best`, 2_000),
    optional: data.required !== true,
    element: { type: 'file_input', action_id: PHOTOS, filetypes: FILE_TYPES, max_files: MAX_FILES },
  };
}

/** The box must be ticked wherever photos must be given; where they need not be, the submission checks. */
function consentBlock(required: boolean): types.InputBlock {
  return {
    type: 'input',
    block_id: CONSENT,
    label: plain('Consent', 2_000),
    ...(!required && { hint: plain('Needed when you give photos', 2_000) }),
    optional: !required,
    element: {
      type: 'checkboxes',
      action_id: CONSENT,
      options: [
        {
          text: plain('I may give these photos, and whoever is on them agrees', 75),
          description: plain('You can take them back at any time', 75),
          value: 'yes',
        },
      ],
    },
  };
}

/** The form of a command, filled with what was typed already. */
export function formView(
  data: SubcommandData,
  purpose: FormPurpose,
  typed: Readonly<Record<string, string | number | boolean>>,
): types.ModalView {
  const given = (name: string) => (typed[name] === undefined ? undefined : String(typed[name]));
  const fromMessage = purpose.files.length > 0;
  const blocks: types.KnownBlock[] = data.options.map((each) =>
    each.type !== 'photos'
      ? optionBlock(each, given(each.name))
      : fromMessage
        ? filesBlock(purpose)
        : photoBlock(each),
  );
  const photosNeeded = fromMessage || data.options.some((each) => each.type === 'photos' && each.required);
  const trains = purpose.command === 'train';
  return {
    type: 'modal',
    callback_id: FORM_CALLBACK,
    title: plain(trains ? 'Teach Krona' : 'Add photos', 24),
    submit: plain(trains ? 'Train' : 'Add', 24),
    close: plain('Cancel', 24),
    private_metadata: JSON.stringify(purpose),
    blocks: [...blocks, consentBlock(photosNeeded)],
  };
}

function filesBlock({ files }: FormPurpose): types.SectionBlock {
  const names = files.map(({ name }) => escapeText(name)).join(', ');
  return {
    type: 'section',
    text: {
      type: 'mrkdwn',
      text: cut(`*${files.length} ${files.length === 1 ? 'file' : 'files'} of the message*\n${names}`, 3_000),
      verbatim: true,
    },
  };
}

/** What a form was opened for; null when it is none of ours. */
export function readPurpose(metadata: string): FormPurpose | null {
  try {
    return JSON.parse(metadata) as FormPurpose;
  } catch {
    return null;
  }
}

export function readForm(state: unknown, purpose: FormPurpose): FilledForm {
  const values = (state as Values | undefined) ?? {};
  const options: Record<string, string> = {};
  for (const [block, fields] of Object.entries(values)) {
    const field = Object.values(fields)[0];
    const value = field?.selected_option?.value ?? field?.value;
    if (block !== PHOTOS && block !== CONSENT && value) options[block] = value;
  }
  const uploaded = values[PHOTOS]?.[PHOTOS]?.files ?? [];
  return {
    options,
    files: [
      ...purpose.files,
      ...uploaded.map(({ id, name, size }) => ({
        id,
        ...(name && { name }),
        ...(size !== undefined && { size }),
      })),
    ],
    consent: (values[CONSENT]?.[CONSENT]?.selected_options ?? []).length > 0,
  };
}

/** What is missing in a form, by its block; null when it can be taken. */
export function formErrors({ files, consent }: FilledForm): Record<string, string> | null {
  if (files.length > 0 && !consent)
    return { [CONSENT]: 'Photos are taken with your consent only: tick the box, or take the photos out.' };
  return null;
}

/** The list for an option: what exists, and what was typed as a new one. */
export function completionOptions(typed: string, values: readonly string[]): types.PlainTextOption[] {
  const name = typed.trim();
  const isNew = name !== '' && !values.some((each) => each.toLowerCase() === name.toLowerCase());
  return [...values.map((each) => option(each)), ...(isNew ? [option(name, `${name} (new)`)] : [])].slice(
    0,
    100,
  );
}
