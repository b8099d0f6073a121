/** @file Small texts that several cards share. */
import type { ChannelSettings } from '../../core/settings/schema.ts';
import type { Card } from '../card.ts';
import { adapterSize, trainChoices } from '../../core/settings/adapter-size.ts';
import { describeError, KronaError } from '../../core/errors.ts';

/** Text of a member, for a card: without what a card would read as marks, on one line, cut to `most` characters. */
export function plain(text: string, most = 200): string {
  const line = text.replace(/\s+/gu, ' ').replaceAll('`', 'ˋ').replaceAll('**', '∗∗');
  const characters = [...new Intl.Segmenter().segment(line)].map(({ segment }) => segment);
  return characters.length > most ? `${characters.slice(0, most - 1).join('')}…` : line;
}

/** `3 photos`, `1 photo`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** `44 %` of a share in [0, 1]. */
export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** `32 s`, `4 min`, `1 h 10 min`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 90) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `1st`, `2nd`, `11th`. */
export function ordinal(n: number): string {
  const tens = n % 100;
  const ending = tens >= 11 && tens <= 13 ? 'th' : (['th', 'st', 'nd', 'rd'][n % 10] ?? 'th');
  return `${n}${ending}`;
}

/** `3 KiB`, `1.2 MiB`. */
export function byteSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`;
  if (bytes < 1024 ** 2) return `${Math.round(bytes / 1024)} KiB`;
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}

/** What a training changes and how, in a few words. */
export function trainingWords(settings: ChannelSettings): string {
  const method = `${settings.method} ${adapterSize(settings)}`.trim();
  return [method, `lr ${settings.lr}`, ...trainChoices(settings)].join(', ');
}

/** Fields of a card by name; those with nothing to say are left out. */
export function fieldsOf(rows: readonly (readonly [string, string | null])[]): NonNullable<Card['fields']> {
  return rows.flatMap(([name, value]) => (value === null ? [] : [{ name, value }]));
}

/** What went wrong, for the one who asked. Errors that are no KronaError say nothing of our inside. */
export function errorCard(error: unknown): Card {
  const known = error instanceof KronaError;
  const { code, message } = describeError(error);
  return {
    tone: 'error',
    title: known ? 'That did not work' : 'Something broke on our side',
    text: [known ? message : 'Nothing you did is wrong. It is in the log; try again in a moment.'],
    fields: [{ name: 'code', value: code }],
    audience: 'caller',
  };
}
