/**
 * @file Identifies a browser: a random token and a chosen name in one cookie. The records have only the token's hash, so
 * nobody who reads them can act as a member. Moderators have a second cookie, from the link printed at start.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Context } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';
import { KronaError } from '../../core/errors.ts';
import type { Member } from '../../core/records.ts';
import type { RecordStore } from '../../storage/records.ts';
import { MAX_NAME } from './protocol.ts';

const COOKIE = 'krona-member';
const MODERATOR_COOKIE = 'krona-moderator';
const YEAR = 365 * 24 * 3600;

/** A name as it can be shown: no line breaks or invisible marks, not Krona's own. @throws KronaError NAME_INVALID */
function checkName(input: string): string {
  const name = input
    .normalize('NFC')
    .replace(/[\p{C}\p{Z}\s]+/gu, ' ')
    .trim();
  const length = [...name].length;
  if (length < 1 || length > MAX_NAME)
    throw new KronaError(
      'NAME_INVALID',
      `A name must have 1 to ${MAX_NAME} characters; this one has ${length}.`,
    );
  if (name.toLowerCase() === 'krona')
    throw new KronaError('NAME_INVALID', '“Krona” is Krona’s own name. Choose another one.');
  return name;
}

/** The token has a fixed length, so a name can contain the sign between them. */
const readCookie = (context: Context): { token: string; name: string } | null => {
  const [, token, name] = /^([A-Za-z0-9_-]{43})~(.+)$/u.exec(getCookie(context, COOKIE) ?? '') ?? [];
  return token !== undefined && name !== undefined ? { token, name } : null;
};

const externalId = (token: string): string => createHash('sha256').update(token).digest('hex');

/** The member of a request, without storing anything; null for a browser that has no name yet. */
export async function knownMember(context: Context, records: RecordStore): Promise<Member | null> {
  const cookie = readCookie(context);
  return cookie && records.memberByExternalId('web', externalId(cookie.token));
}

/** @throws KronaError NAME_NEEDED */
export async function requireMember(context: Context, records: RecordStore): Promise<Member> {
  const cookie = readCookie(context);
  if (cookie === null) throw new KronaError('NAME_NEEDED', 'Choose a name first: reload the page.');
  return records.member('web', externalId(cookie.token), checkName(cookie.name));
}

/**
 * Gives the browser a name; its first one makes it a member.
 *
 * @param secure - the browser sends the cookie over HTTPS only
 * @throws KronaError NAME_INVALID
 */
export async function setName(
  context: Context,
  records: RecordStore,
  input: string,
  secure: boolean,
): Promise<Member> {
  const name = checkName(input);
  const token = readCookie(context)?.token ?? randomBytes(32).toString('base64url');
  const member = await records.member('web', externalId(token), name);
  setCookie(context, COOKIE, `${token}~${name}`, cookieOptions(secure));
  return member;
}

const cookieOptions = (secure: boolean) =>
  ({
    httpOnly: true,
    sameSite: 'Lax',
    path: '/',
    maxAge: YEAR,
    secure,
  }) as const;

/** The key that makes a browser a moderator's; the terminal shows it at start. */
export const moderatorKey = (secret: string): string =>
  createHmac('sha256', secret).update('moderator of the web chat').digest('base64url').slice(0, 24);

const matches = (given: string | undefined, secret: string): boolean => {
  const expected = Buffer.from(moderatorKey(secret));
  const actual = Buffer.from(given ?? '');
  return expected.length === actual.length && timingSafeEqual(expected, actual);
};

export const isModerator = (context: Context, secret: string): boolean =>
  matches(getCookie(context, MODERATOR_COOKIE), secret);

/** Sets the cookie and returns true when the key is right. */
export function becomeModerator(context: Context, secret: string, key: string, secure: boolean): boolean {
  if (!matches(key, secret)) return false;
  setCookie(context, MODERATOR_COOKIE, key, cookieOptions(secure));
  return true;
}
