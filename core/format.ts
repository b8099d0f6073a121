/** @file Numbers as people read them, in chat and on the command line. */

/** `3 photos`, `1 photo`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Puts "a" or "an" before the phrase. */
export function withArticle(phrase: string): string {
  return `${/^((?!uni|ufo)[aeiou]|8|hour)/.test(phrase) ? 'an' : 'a'} ${phrase}`;
}

/** `44%` for a share in [0, 1]. */
export function percent(share: number): string {
  return `${Math.round(share * 100)}%`;
}

/** How much is done of work that counts its steps, as `44%`. */
export const percentDone = ({ step, steps }: { readonly step: number; readonly steps: number }): string =>
  percent(step / Math.max(1, steps));

/** `32 s`, `4 min`, `1 h 10 min`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 90) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h${minutes % 60 === 0 ? '' : ` ${minutes % 60} min`}`;
}

/** `1st`, `2nd`, `11th`. */
export function ordinal(n: number): string {
  const tens = n % 100;
  const ending = tens >= 11 && tens <= 13 ? 'th' : (['th', 'st', 'nd', 'rd'][n % 10] ?? 'th');
  return `${n}${ending}`;
}

/** `512 bytes`, `3 KiB`, `1.2 MiB`, `4.9 GiB`. */
export function byteSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`;
  if (bytes < 1024 ** 2) return `${Math.round(bytes / 1024)} KiB`;
  if (bytes < 1024 ** 3) return `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
  return `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
}

/**
 * Text in which each control character but the ends of lines and tabs is written out as in JSON: names in files from
 * others could move the terminal's cursor, rename its window or fill the clipboard.
 */
export function printable(text: string): string {
  return text.replace(
    /[^\P{Cc}\n\t]/gu,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
