/**
 * @file Forms for commands that take photos, as slash commands carry only text. A form's private metadata holds all that
 * its submission needs, so it outlives a restart.
 * https://docs.slack.dev/surfaces/modals
 */
import type { types } from '@slack/bolt';
import * as v from 'valibot';
import type { OptionData } from '../../commands/contract.ts';
import type { OptionValues } from '../../commands/contract.ts';
import { MAX_FILES } from '../../commands/photos/photo-intake.ts';
import {
  CONSENT as CONSENT_TEXT,
  fieldLabel,
  photoForm,
  type PhotoFormData,
  PHOTOS_HINT,
} from '../photo-form.ts';
import { cut, escapeText, unmarked } from './text.ts';

export const FORM_CALLBACK = 'krona_form';
/** Prefix of the action id of an option's suggestions. */
export const COMPLETED = 'complete:';

const CONSENT = 'consent';
const PHOTOS = 'photos';
/** Prefix of the action id of a file for one option. */
const PICTURE = 'file:';
const FILE_TYPES = ['png', 'jpg', 'jpeg', 'webp', 'gif', 'avif', 'tif', 'tiff'];

const PURPOSE = v.object({
  command: v.string(),
  action: v.string(),
  place: v.object({ externalId: v.string(), name: v.string() }),
  /** The address for answers of the event that opened the form, and when it came. */
  responseUrl: v.nullable(v.string()),
  at: v.number(),
  /** Files of a message, when the form takes those and no others. */
  files: v.array(v.object({ id: v.string(), name: v.string() })),
});

/** What a form is for. */
export type FormPurpose = v.InferOutput<typeof PURPOSE>;

/** What was filled in. */
export interface FilledForm {
  readonly options: Readonly<Record<string, string>>;
  readonly files: readonly {
    readonly id: string;
    readonly name?: string;
    readonly size?: number;
    readonly option?: string;
  }[];
  readonly consent: boolean;
}

/** The state of a form: fields by block, each with its one element by action id. */
const STATE = v.record(
  v.string(),
  v.record(
    v.string(),
    v.object({
      value: v.nullish(v.string()),
      selected_option: v.nullish(v.object({ value: v.string() })),
      selected_options: v.optional(v.array(v.unknown())),
      files: v.optional(
        v.array(v.object({ id: v.string(), name: v.nullish(v.string()), size: v.optional(v.number()) })),
      ),
    }),
  ),
);

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
      placeholder: plain('Choose a name or type a new one', 150),
      ...(given && { initial_option: option(given) }),
    };
  const choices = data.type === 'flag' ? ['yes', 'no'] : data.choices;
  const choice = choices?.find((each) => each === given?.toLowerCase());
  if (choices)
    return {
      type: 'static_select',
      action_id: data.name,
      options: choices.map((each) => option(each)),
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
    label: plain(fieldLabel(data), 2_000),
    hint: plain(data.description, 2_000),
    optional: data.required !== true,
    element: element(data, given),
  };
}

function photoBlock(data: OptionData): types.InputBlock {
  return {
    type: 'input',
    block_id: PHOTOS,
    label: plain(fieldLabel(data), 2_000),
    // Slack's own limit for files in forms.
    hint: plain(`${PHOTOS_HINT} At most 10 MB each.`, 2_000),
    optional: data.required !== true,
    element: { type: 'file_input', action_id: PHOTOS, filetypes: FILE_TYPES, max_files: MAX_FILES },
  };
}

/** One file for one option. */
const pictureBlock = (data: OptionData): types.InputBlock => ({
  type: 'input',
  block_id: data.name,
  label: plain(fieldLabel(data), 2_000),
  hint: plain(`${data.description}. At most 10 MB.`, 2_000),
  optional: data.required !== true,
  element: { type: 'file_input', action_id: `${PICTURE}${data.name}`, filetypes: FILE_TYPES, max_files: 1 },
});

/** The box must be ticked where photos are required; where they are optional, the submission checks. */
function consentBlock(required: boolean): types.InputBlock {
  return {
    type: 'input',
    block_id: CONSENT,
    label: plain(CONSENT_TEXT.label, 2_000),
    ...(!required && { hint: plain('Required with photos', 2_000) }),
    optional: !required,
    element: {
      type: 'checkboxes',
      action_id: CONSENT,
      options: [
        {
          text: plain(CONSENT_TEXT.box, 75),
          description: plain(CONSENT_TEXT.hint, 75),
          value: 'yes',
        },
      ],
    },
  };
}

/** The form of a command, filled with what was typed already. */
export function formView(
  { title, submit, fields, needsPhotos, needsConsent = true }: PhotoFormData,
  purpose: FormPurpose,
  typed: OptionValues,
): types.ModalView {
  const fromMessage = purpose.files.length > 0;
  const blocks: types.KnownBlock[] = fields.map((field) => {
    if (field.type === 'photos') return fromMessage ? filesBlock(purpose) : photoBlock(field);
    if (field.type === 'picture') return pictureBlock(field);
    const given = typed[field.name];
    return optionBlock(field, given === undefined ? undefined : String(given));
  });
  return {
    type: 'modal',
    callback_id: FORM_CALLBACK,
    title: plain(title, 24),
    submit: plain(submit, 24),
    close: plain('Cancel', 24),
    private_metadata: JSON.stringify(purpose),
    blocks: [...blocks, ...(needsConsent ? [consentBlock(fromMessage || needsPhotos)] : [])],
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

/** What a form was opened for; null when it is not one of ours. */
export function readPurpose(metadata: string): FormPurpose | null {
  const { success, output } = v.safeParse(v.pipe(v.string(), v.parseJson(), PURPOSE), metadata);
  return success ? output : null;
}

/** Reads the state of a form. */
export function readForm(state: unknown, purpose: FormPurpose): FilledForm {
  const values = v.is(STATE, state) ? state : {};
  const options: Record<string, string> = {};
  for (const [block, fields] of Object.entries(values)) {
    const field = Object.values(fields)[0];
    const value = field?.selected_option?.value ?? field?.value;
    if (block !== PHOTOS && block !== CONSENT && value) options[block] = value;
  }
  const uploaded = Object.values(values).flatMap((fields) =>
    Object.entries(fields).flatMap(([actionId, { files = [] }]) =>
      files.map(({ id, name, size }) => ({
        id,
        ...(name && { name }),
        ...(size !== undefined && { size }),
        ...(actionId.startsWith(PICTURE) && { option: actionId.slice(PICTURE.length) }),
      })),
    ),
  );
  return {
    options,
    files: [...purpose.files, ...uploaded],
    consent: (values[CONSENT]?.[CONSENT]?.selected_options ?? []).length > 0,
  };
}

/** What is missing in a form, by its block; null when it is complete. */
export function formErrors(
  { files, consent }: FilledForm,
  { command, action }: FormPurpose,
): Record<string, string> | null {
  if (photoForm(command, action)?.needsConsent === false) return null;
  if (files.length > 0 && !consent) return { [CONSENT]: CONSENT_TEXT.missing };
  return null;
}

/** The suggestions for an option: names that exist, and what was typed as a new one. */
export function completionOptions(typed: string, values: readonly string[]): types.PlainTextOption[] {
  const name = typed.trim();
  const isNew = name !== '' && !values.some((each) => each.toLowerCase() === name.toLowerCase());
  return [...values.map((each) => option(each)), ...(isNew ? [option(name, `${name} (new)`)] : [])].slice(
    0,
    100,
  );
}
