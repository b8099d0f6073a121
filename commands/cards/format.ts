/** @file Texts that several cards share. */
import type { ChannelSettings } from '../../core/settings/schema.ts';
import type { Card } from '../card.ts';
import { adapterSize, trainChoices } from '../../core/settings/adapter-size.ts';
import { describeError, KronaError } from '../../core/errors.ts';

/** Characters that turn the direction of what follows, in a card beyond the member's own text (UAX 9). */
const TURNS = /[\u202a-\u202e\u2066-\u2069]/gu;

/** Returns a member's text for a card: on one line, without a card's marks, cut to `most` characters. */
export function plain(text: string, most = 200): string {
  const line = text.replace(TURNS, '').replace(/\s+/gu, ' ').replaceAll('`', 'ˋ').replaceAll('**', '∗∗');
  const characters = [...new Intl.Segmenter().segment(line)].map(({ segment }) => segment);
  return characters.length > most ? `${characters.slice(0, most - 1).join('')}…` : line;
}

/** A training's settings in a few words. */
export function trainingWords(settings: ChannelSettings): string {
  const method = `${settings.method} ${adapterSize(settings)}`.trim();
  return [method, `lr ${settings.lr}`, ...trainChoices(settings)].join(', ');
}

/** Returns the fields of a card, without those whose value is null. */
export function fieldsOf(rows: readonly (readonly [string, string | null])[]): NonNullable<Card['fields']> {
  return rows.flatMap(([name, value]) => (value === null ? [] : [{ name, value }]));
}

/** An error, for the member who caused it. Errors other than KronaError reveal no details. */
export function errorCard(error: unknown): Card {
  const known = error instanceof KronaError;
  const { code, message } = describeError(error);
  return {
    tone: 'error',
    title: known ? 'That did not work' : 'Something went wrong',
    text: [known ? message : 'The error is in the log and not your fault. Try again in a moment.'],
    fields: [{ name: 'code', value: code }],
    audience: 'caller',
  };
}

/** The code of a card that `errorCard` has made; null for any other card. */
export function refusalOf({ tone, fields = [] }: Card): string | null {
  return tone === 'error' ? (fields.find(({ name }) => name === 'code')?.value ?? null) : null;
}
