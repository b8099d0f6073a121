/** @file How the page writes times, sizes and names. */
import { duration } from '../../../core/format.ts';

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' });

export const timeOfDay = (at: number): string => clock.format(at);
export const fullTime = (at: number): string => moment.format(at);

/** `5 s ago`, `3 h ago`. */
export const ago = (at: number, now = Date.now()): string => `${duration((now - at) / 1000)} ago`;

/** `Today`, `Yesterday`, or the date in words. */
export function dayName(at: number, now = Date.now()): string {
  const days = Math.round(
    (new Date(now).setHours(0, 0, 0, 0) - new Date(at).setHours(0, 0, 0, 0)) / 86_400_000,
  );
  return days === 0 ? 'Today' : days === 1 ? 'Yesterday' : day.format(at);
}

/** `812 B`, `3.4 kB`, `12 MB`: decimal, as browsers' download lists count. */
export function fileSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 10 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** `Mia`, `Mia and Ben`, `Mia, Ben and 3 others`. */
export function namesOf(names: readonly string[], shown = 4): string {
  if (names.length <= 1) return names[0] ?? '';
  if (names.length <= shown) return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
  return `${names.slice(0, shown - 1).join(', ')} and ${names.length - shown + 1} others`;
}

/** Up to two letters that stand for a name; whole characters, so that an emoji stays one. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/u);
  const letters = [words[0], words.length > 1 ? words.at(-1) : undefined];
  return letters
    .map((word) => (word === undefined ? '' : ([...word][0] ?? '')))
    .join('')
    .toUpperCase();
}

/** A hue that an id keeps for ever, degrees. */
export function hueOf(id: string): number {
  let hash = 7;
  for (const character of id) hash = (hash * 31 + character.charCodeAt(0)) >>> 0;
  return (hash % 24) * 15;
}
