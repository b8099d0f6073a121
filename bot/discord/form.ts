/**
 * @file The form that asks for photos: subject, class, up to 10 files, what they show, and a consent that must be given.
 * What the command already said comes back in the form's id, so that a form needs nothing kept, also across a restart.
 */
import { type APIModalInteractionResponseCallbackData, ComponentType, TextInputStyle } from 'discord.js';
import type { InvocationEvent } from '../gateway.ts';
import { CAPTION } from '../../commands/photos/photo-captions.ts';
import { MAX_FILES } from '../../commands/photos/photo-intake.ts';
import { KronaError } from '../../core/errors.ts';

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

export const FIELD = {
  subject: 'subject',
  class: 'class',
  caption: 'caption',
  photos: 'photos',
  consent: 'consent',
} as const;
/** The value of the consent box when it is ticked. */
export const AGREED = 'yes';
const ASKED: readonly string[] = [FIELD.subject, FIELD.class, FIELD.caption];

const PREFIX = 'k1:form:';
/** Most characters of a subject's name or class in the form. */
const MAX_NAME = 100;
/** Most characters of a form's id. */
const MAX_ID = 100;

/** Whether a command that came without files wants a form instead of an answer. */
export function wantsForm({ command, action, options }: Omit<FormPurpose, 'messageId'>): boolean {
  if (command === 'photos' && action === 'add') return true;
  // A class is said of a new subject, which has no photos yet; an old one can be trained with what it has.
  return command === 'train' && options['class'] !== undefined;
}

/** @throws KronaError OPTION_TOO_LONG when the options do not fit into the form's id */
export function formId({ command, action, options, messageId }: FormPurpose): string {
  const rest = Object.entries(options).filter(([name]) => !ASKED.includes(name));
  const query = new URLSearchParams(rest.map(([name, value]) => [name, String(value)]));
  const id = `${PREFIX}${command}:${action}:${messageId ?? ''}:${query.toString()}`;
  if (id.length <= MAX_ID) return id;
  throw new KronaError(
    'OPTION_TOO_LONG',
    'These options are too long for a form; attach the photos to the command.',
  );
}

/** What a submitted form is for; null when its id is none of ours. */
export function purposeOf(id: string): FormPurpose | null {
  const [, command, action, messageId, query] =
    /^k1:form:([a-z0-9_]+):([a-z0-9_]*):(\d*):(.*)$/.exec(id) ?? [];
  if (command === undefined) return null;
  const options = Object.fromEntries(new URLSearchParams(query));
  return { command, action: action!, options, messageId: messageId === '' ? null : messageId! };
}

export function photoForm(purpose: FormPurpose): APIModalInteractionResponseCallbackData {
  const { command, options, messageId } = purpose;
  // Discord opens no form with a longer value; half a character at the cut would be none.
  const filled = (name: string, max: number) =>
    options[name] === undefined
      ? { max_length: max }
      : {
          max_length: max,
          value: String(options[name])
            .slice(0, max)
            .replace(/[\ud800-\udbff]$/, ''),
        };
  const required = command === 'photos';
  return {
    custom_id: formId(purpose),
    title: command === 'train' ? 'Teach Krona a subject' : 'Add photos to a subject',
    components: [
      {
        type: ComponentType.Label,
        label: 'Subject',
        description: 'Its name, as you will say it in prompts',
        component: {
          type: ComponentType.TextInput,
          custom_id: FIELD.subject,
          style: TextInputStyle.Short,
          required: true,
          ...filled('subject', MAX_NAME),
        },
      },
      {
        type: ComponentType.Label,
        label: 'Class',
        description: 'When the subject is new: what it is, in one plain noun: cat, robot, mug',
        component: {
          type: ComponentType.TextInput,
          custom_id: FIELD.class,
          style: TextInputStyle.Short,
          required: false,
          ...filled('class', MAX_NAME),
        },
      },
      ...(messageId === null
        ? [
            {
              type: ComponentType.Label as const,
              label: 'Photos',
              description: `Up to ${MAX_FILES}; different views teach the most`,
              component: {
                type: ComponentType.FileUpload as const,
                custom_id: FIELD.photos,
                min_values: required ? 1 : 0,
                max_values: MAX_FILES,
                required,
                file_types: ['image' as const],
              },
            },
          ]
        : []),
      {
        type: ComponentType.Label,
        label: 'Caption',
        description: CAPTION.description,
        component: {
          type: ComponentType.TextInput,
          custom_id: FIELD.caption,
          style: TextInputStyle.Paragraph,
          required: false,
          ...filled('caption', CAPTION.maxLength!),
        },
      },
      {
        type: ComponentType.Label,
        label: 'Consent',
        component: {
          type: ComponentType.CheckboxGroup,
          custom_id: FIELD.consent,
          min_values: 1,
          max_values: 1,
          required: true,
          options: [
            {
              value: AGREED,
              label: 'I may share these photos',
              description: 'Krona stores them, learns from them, and draws what is on them for this channel.',
            },
          ],
        },
      },
    ],
  };
}
