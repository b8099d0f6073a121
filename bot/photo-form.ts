/**
 * @file The form of a command that takes photos, derived from what the command declares. Discord and Slack draw it, each
 * with the fields that fit there.
 */
import type { OptionData, SubcommandData } from '../commands/contract.ts';
import { COMMANDS } from '../commands/index.ts';
import { MAX_FILES } from '../commands/photos/photo-intake.ts';

export interface PhotoFormData {
  readonly title: string;
  /** Label of the button that sends the form. */
  readonly submit: string;
  /** What the form asks for, in the order of the declaration; one of them is the photos. */
  readonly fields: readonly OptionData[];
  readonly needsPhotos: boolean;
}

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

/** The form of a command; null when the command takes no photos. */
export function photoForm(command: string, action: string): PhotoFormData | null {
  const fields = declaration(command, action)?.options ?? [];
  const photos = fields.find(({ type }) => type === 'photos');
  if (photos === undefined) return null;
  const [title, submit] = command === 'train' ? ['Train a subject', 'Train'] : ['Add photos', 'Add'];
  return { title, submit, fields, needsPhotos: photos.required === true };
}

function declaration(command: string, action: string): SubcommandData | undefined {
  const data = COMMANDS.find((each) => each.data.name === command)?.data;
  return data?.actions === undefined ? data : data.actions.find(({ name }) => name === action);
}
