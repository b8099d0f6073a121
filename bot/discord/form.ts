/**
 * @file The form that asks for photos, within Discord's five fields. What the command already said comes back in the
 * form's id, so that a form needs nothing kept, also across a restart.
 */
import {
  type APILabelComponent,
  type APIModalInteractionResponseCallbackData,
  ComponentType,
  type ModalSubmitFields,
  TextInputStyle,
} from 'discord.js';
import type { OptionData } from '../../commands/contract.ts';
import { MAX_FILES } from '../../commands/photos/photo-intake.ts';
import { KronaError } from '../../core/errors.ts';
import type { InvocationEvent } from '../gateway.ts';
import { CONSENT, fieldLabel, photoForm, type PhotoFormData, PHOTOS_HINT } from '../photo-form.ts';

type Options = InvocationEvent['options'];

/** What a form is for. */
export interface FormPurpose {
  readonly command: string;
  /** '' when the command has no actions. */
  readonly action: string;
  /** Options that the form does not ask for, and those that it is filled with. */
  readonly options: Options;
  /** The message whose files are meant; null: the form asks for files. */
  readonly messageId: string | null;
}

/** Ids of the fields that are no options. */
export const FIELD = { photos: 'photos', consent: 'consent' } as const;
/** The value of the consent box when it is ticked. */
const AGREED = 'yes';

const PREFIX = 'k1:form:';
/** Most fields of a form. */
const MAX_FIELDS = 5;
/** Most characters of a form's id. */
const MAX_ID = 100;
/** Most characters of a text field. */
const MAX_TEXT = 4000;
/** Longer texts get several lines. */
const LONG_TEXT = 100;

/** Whether a command that came without files opens a form instead of running. */
export function wantsForm({ command, action, options }: Omit<FormPurpose, 'messageId'>): boolean {
  const form = photoForm(command, action);
  if (form === null) return false;
  // A class is given for a new subject, which has no photos yet; an old one can be trained with what it has.
  return form.needsPhotos || options['class'] !== undefined;
}

/** The fields that fit into the form beside the consent: photos and texts. */
const shownFields = ({ fields }: PhotoFormData): readonly OptionData[] =>
  fields
    .filter(({ type, choices }) => type === 'photos' || (type === 'text' && choices === undefined))
    .slice(0, MAX_FIELDS - 1);
const textFields = (form: PhotoFormData): readonly OptionData[] =>
  shownFields(form).filter(({ type }) => type === 'text');

/** @throws KronaError COMMAND_UNKNOWN */
function formOf({ command, action }: Pick<FormPurpose, 'command' | 'action'>): PhotoFormData {
  const form = photoForm(command, action);
  if (form !== null) return form;
  throw new KronaError('COMMAND_UNKNOWN', `\`/krona ${command}\` takes no photos.`);
}

/** @throws KronaError OPTION_TOO_LONG when the options do not fit into the form's id */
function formId({ command, action, options, messageId }: FormPurpose, form: PhotoFormData): string {
  const inForm = textFields(form).map(({ name }) => name);
  const rest = Object.entries(options).filter(([name]) => !inForm.includes(name));
  const query = new URLSearchParams(rest.map(([name, value]) => [name, String(value)]));
  const id = `${PREFIX}${command}:${action}:${messageId ?? ''}:${query.toString()}`;
  if (id.length <= MAX_ID) return id;
  throw new KronaError(
    'OPTION_TOO_LONG',
    'These options are too long for a form. Attach the photos to the command instead.',
  );
}

/** What a submitted form is for; null when its id is not one of ours. */
export function purposeOf(id: string): FormPurpose | null {
  const [, command, action = '', messageId, query] =
    /^k1:form:([a-z0-9_]+):([a-z0-9_]*):(\d*):(.*)$/.exec(id) ?? [];
  if (command === undefined) return null;
  const options = Object.fromEntries(new URLSearchParams(query));
  return { command, action, options, messageId: messageId || null };
}

/** The form as Discord opens it. @throws KronaError COMMAND_UNKNOWN, OPTION_TOO_LONG */
export function formModal(purpose: FormPurpose): APIModalInteractionResponseCallbackData {
  const form = formOf(purpose);
  const fields = shownFields(form).flatMap((option) => {
    if (option.type !== 'photos') return [textField(option, purpose.options[option.name])];
    return purpose.messageId === null ? [photosField(option)] : [];
  });
  const consent = form.needsConsent === false ? [] : [consentField()];
  return { custom_id: formId(purpose, form), title: form.title, components: [...fields, ...consent] };
}

function textField(option: OptionData, given: string | number | boolean | undefined): APILabelComponent {
  const most = Math.min(MAX_TEXT, option.maxLength ?? MAX_TEXT);
  return {
    type: ComponentType.Label,
    label: fieldLabel(option),
    description: option.description,
    component: {
      type: ComponentType.TextInput,
      custom_id: option.name,
      style: most > LONG_TEXT ? TextInputStyle.Paragraph : TextInputStyle.Short,
      required: option.required === true,
      max_length: most,
      // Discord opens no form with a longer value; half a character at the cut would be invalid.
      ...(given !== undefined && {
        value: String(given)
          .slice(0, most)
          .replace(/[\ud800-\udbff]$/, ''),
      }),
    },
  };
}

const photosField = (option: OptionData): APILabelComponent => ({
  type: ComponentType.Label,
  label: fieldLabel(option),
  description: PHOTOS_HINT,
  component: {
    type: ComponentType.FileUpload,
    custom_id: FIELD.photos,
    min_values: option.required ? 1 : 0,
    max_values: MAX_FILES,
    required: option.required === true,
    file_types: ['image'],
  },
});

const consentField = (): APILabelComponent => ({
  type: ComponentType.Label,
  label: CONSENT.label,
  component: {
    type: ComponentType.CheckboxGroup,
    custom_id: FIELD.consent,
    min_values: 1,
    max_values: 1,
    required: true,
    options: [{ value: AGREED, label: CONSENT.box, description: CONSENT.hint }],
  },
});

/** The options of a submitted form. @throws KronaError CONSENT_MISSING */
export function submittedOptions(purpose: FormPurpose, fields: ModalSubmitFields): Options {
  const form = formOf(purpose);
  if (form.needsConsent !== false && !fields.getCheckboxGroup(FIELD.consent).includes(AGREED))
    throw new KronaError('CONSENT_MISSING', CONSENT.missing);
  const filled: Record<string, string> = {};
  for (const { name } of textFields(form)) {
    const value = fields.getTextInputValue(name);
    if (value !== '') filled[name] = value;
  }
  return { ...purpose.options, ...filled };
}
