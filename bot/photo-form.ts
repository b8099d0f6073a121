/**
 * @file The form of a command that takes photos or a picture, derived from what the command declares; and the form for a
 * picture of a message. Discord and Slack draw it, each with the fields that fit there.
 */
import type { Attachment } from '../commands/contract.ts';
import type { OptionData, SubcommandData } from '../commands/contract.ts';
import { COMMANDS } from '../commands/index.ts';
import { KronaError } from '../core/errors.ts';
import { MAX_FILES } from '../commands/photos/photo-intake.ts';

export interface PhotoFormData {
  readonly title: string;
  /** Label of the button that sends the form. */
  readonly submit: string;
  /** What the form asks for, in the order of the declaration; one of them is the photos. */
  readonly fields: readonly OptionData[];
  readonly needsPhotos: boolean;
  /** False for pictures that Krona made. Default true. */
  readonly needsConsent?: boolean;
}

/**
 * In place of an action of `imagine`: begin with a picture of a message. A member's picture needs consent; one that Krona
 * made does not.
 */
export const REMIX = { ofMember: 'remix', ofKrona: 'own' } as const;

/** In the menu of a message. */
export const REMIX_TITLE = 'Remix a picture';

/** Said below the field for photos. */
export const PHOTOS_HINT = `Up to ${MAX_FILES}. 4 to 10 photos from different views work best.`;

/** A box that must be ticked with photos. */
export const CONSENT = {
  label: 'Consent',
  box: 'I have the right to share these photos',
  hint: 'The people in them agree. You can remove the photos at any time.',
  missing: 'Krona takes photos only with consent. Tick the box, or remove the photos.',
} as const;

/** What a field is called: `subject` is “Subject”. */
export const fieldLabel = ({ name }: OptionData): string => name.charAt(0).toUpperCase() + name.slice(1);

/** The form of a command; null when the command needs none. */
export function photoForm(command: string, action: string): PhotoFormData | null {
  if (command === 'imagine' && isRemix(action)) return remixForm(action);
  const fields = declaration(command, action)?.options ?? [];
  const photos = fields.find(({ type, required }) => type === 'photos' || (type === 'picture' && required));
  if (photos === undefined) return null;
  const [title, submit] = TITLES[command] ?? ['Add photos', 'Add'];
  return { title, submit, fields, needsPhotos: photos.required === true };
}

const TITLES: Readonly<Record<string, readonly [title: string, submit: string]>> = {
  train: ['Train a subject', 'Train'],
  edit: ['Edit a picture', 'Draw'],
  upscale: ['Enlarge a picture', 'Enlarge'],
};

const isRemix = (action: string): boolean => action === REMIX.ofMember || action === REMIX.ofKrona;

const remixForm = (action: string): PhotoFormData => ({
  title: REMIX_TITLE,
  submit: 'Draw',
  fields: [
    { name: 'prompt', description: 'What to draw', type: 'text', required: true, maxLength: 1000 },
    {
      name: 'picture',
      description: 'Which picture of the message, from 1 (default: 1)',
      type: 'text',
      maxLength: 2,
    },
    {
      name: 'change',
      description: 'How much can change, 0.01 to 1 (default: 0.8)',
      type: 'text',
      maxLength: 5,
    },
  ],
  needsPhotos: true,
  needsConsent: action === REMIX.ofMember,
});

/** What a sent form asks for. */
export interface SentForm {
  readonly command: string;
  readonly action: string;
  readonly options: Readonly<Record<string, string | number | boolean>>;
  readonly attachments: readonly Attachment[];
}

/** A sent form as the command that it stands for. @throws KronaError PICTURE_UNKNOWN */
export function commandOfForm({ command, action, options, attachments }: SentForm): SentForm {
  if (command !== 'imagine' || !isRemix(action)) return { command, action, options, attachments };
  const { picture = '1', ...rest } = options;
  const chosen = attachments[Number(picture) - 1];
  if (chosen === undefined)
    throw new KronaError(
      'PICTURE_UNKNOWN',
      `The message has no picture “${String(picture).slice(0, 10)}”; use a number from 1 to ${attachments.length}.`,
    );
  return { command, action: '', options: rest, attachments: [chosen] };
}

function declaration(command: string, action: string): SubcommandData | undefined {
  const data = COMMANDS.find((each) => each.data.name === command)?.data;
  return data?.actions === undefined ? data : data.actions.find(({ name }) => name === action);
}
