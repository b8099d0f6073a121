/** @file Links with which the administrator of a workspace installs the app there: only who has one can begin. */
import { createHmac } from 'node:crypto';
import { KronaError } from '../../core/errors.ts';
import { isSameSecret } from '../../core/same-secret.ts';

export const INSTALL_PATH = '/slack/install';
/** How long a link lasts, s. */
const LASTS = 7 * 24 * 3_600;

/**
 * A new link.
 *
 * @param address - the bot's public address
 * @param secret - KRONA_SECRET
 */
export function installLink(address: string, secret: string, now = Date.now()): string {
  const until = Math.floor(now / 1000) + LASTS;
  return `${address}${INSTALL_PATH}?key=${until}.${signature(until, secret)}`;
}

/** @param key - of the link @throws KronaError SLACK_INSTALL_LINK */
export function checkInstallKey(key: string, secret: string): void {
  const [, until = '', signed = ''] = /^(\d{1,12})\.([\w-]{43})$/.exec(key) ?? [];
  if (
    signed !== '' &&
    isSameSecret(signed, signature(Number(until), secret)) &&
    Number(until) * 1000 > Date.now()
  )
    return;
  throw new KronaError(
    'SLACK_INSTALL_LINK',
    'This link to install Krona is wrong or more than a week old. Ask the administrator of Krona for a new one.',
  );
}

const signature = (until: number, secret: string): string =>
  createHmac('sha256', secret).update(`install in Slack until ${until}`).digest('base64url');
