/** @file Light or dark: as the system says, until a member chooses. A cookie, so that the bot's page starts in it. */

const root = document.documentElement;

export const isDark = (): boolean =>
  root.dataset.theme === undefined
    ? matchMedia('(prefers-color-scheme: dark)').matches
    : root.dataset.theme === 'dark';

/** Switches, remembers, and returns whether it is dark now. */
export function toggleTheme(): boolean {
  const dark = !isDark();
  root.dataset.theme = dark ? 'dark' : 'light';
  document.cookie = `krona-theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`;
  return dark;
}
