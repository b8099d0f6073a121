/**
 * @file Identifies a browser by a cookie: a random token, or a pass where a key is needed (passes.ts). The records have
 * only its hash, so nobody who reads them can act as a member. Moderators have a second cookie, from the link printed at
 * start.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Context } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';
import { KronaError } from '../../core/errors.ts';
import type { Member } from '../../core/records.ts';
import { isSameSecret } from '../../core/same-secret.ts';
import type { WebAccess } from '../../core/web-access.ts';
import type { RecordStore } from '../../storage/records.ts';
import { addressOf } from '../client-address.ts';
import { Lanes } from '../lanes.ts';
import { checkName, looksLike } from './names.ts';
import type { Pace } from '../pace.ts';
import { Passes } from './passes.ts';

const COOKIE = 'krona-member';
const MODERATOR_COOKIE = 'krona-moderator';
const YEAR = 365 * 24 * 3600;

const externalId = (token: string): string => createHash('sha256').update(token).digest('hex');

export interface IdentityParts {
  readonly records: RecordStore;
  readonly secret: string;
  readonly access: WebAccess;
  /** Members reach the chat over HTTPS: the browser sends the cookies over nothing else. */
  readonly secure: boolean;
  /** null where only people on this machine use the chat. */
  readonly pace: Pace | null;
}

export class Identity {
  readonly #parts: IdentityParts;
  readonly #passes: Passes;
  readonly #naming = new Lanes();

  constructor(parts: IdentityParts) {
    this.#parts = parts;
    this.#passes = new Passes(parts.secret, parts.access);
  }

  /** The member of a request, without storing anything; null for a browser that has no name yet, or may not enter. */
  async known(context: Context): Promise<Member | null> {
    const token = this.#token(context);
    return token === null ? null : this.#parts.records.memberByExternalId('web', externalId(token));
  }

  /** Whether the browser must show a key or open an invitation before it can have a name. */
  keyNeeded(context: Context): boolean {
    return this.#parts.access.keyNeeded && this.#token(context) === null && !this.isModerator(context);
  }

  /** @throws KronaError ACCESS_NEEDED, NAME_NEEDED */
  async require(context: Context): Promise<Member> {
    const member = await this.known(context);
    if (member !== null) return member;
    this.#admit(context);
    throw new KronaError('NAME_NEEDED', 'Choose a name first: reload the page.');
  }

  /**
   * Gives the browser a name; its first one makes it a member.
   *
   * @throws KronaError ACCESS_NEEDED, NAME_INVALID, NAME_TAKEN, TOO_FAST
   */
  async setName(context: Context, input: string): Promise<Member> {
    this.#admit(context);
    const name = checkName(input);
    await this.#countNaming(context);
    const token = this.#token(context) ?? this.#newToken();
    const id = externalId(token);
    const { records, access } = this.#parts;
    // One after the other, so that two members can't take one name at once.
    const member = await this.#naming.run('names', async () => {
      const others = (await records.membersOn('web')).filter((other) => other.externalId !== id);
      // On one's own machine, the same name is the same person in another browser.
      const taken = others.find(
        (other) => looksLike(other.name, name) && !(access.local && other.name === name),
      );
      if (taken !== undefined)
        throw new KronaError(
          'NAME_TAKEN',
          `“${name}” looks like the name of another member. Choose another one.`,
        );
      return records.member('web', id, name);
    });
    this.#keep(context, COOKIE, token);
    return member;
  }

  /** Lets the member of an access key in. @throws KronaError ACCESS_KEY_WRONG */
  enterByKey(context: Context, key: string): void {
    const pass = this.#passes.ofKey(key.trim());
    if (pass === null)
      throw new KronaError(
        'ACCESS_KEY_WRONG',
        'This access key is wrong. Ask the administrator for yours, or a moderator for an invitation link.',
      );
    this.#keep(context, COOKIE, pass);
  }

  /** Lets the member of an invitation in; a browser that is a member's stays that member's. False when it is none. */
  enterByInvitation(context: Context, pass: string): boolean {
    if (!this.#passes.isInvitation(pass)) return false;
    if (this.#token(context) === null) this.#keep(context, COOKIE, pass);
    return true;
  }

  /** The query of a link that lets one new member in. @throws KronaError NOT_ALLOWED */
  invite(context: Context): string {
    this.requireModerator(context, 'invite');
    return `?${new URLSearchParams({ invitation: this.#passes.invitation() }).toString()}`;
  }

  /** Each name is compared with those of all members, and each new member is stored. @throws KronaError TOO_FAST */
  async #countNaming(context: Context): Promise<void> {
    const { access, pace } = this.#parts;
    const { incoming } = context.env as { readonly incoming: IncomingMessage };
    const who = (await this.known(context))?.id ?? addressOf(incoming, access.trustedProxies);
    pace?.count(`names ${who}`);
  }

  isModerator(context: Context): boolean {
    return this.#isModeratorKey(getCookie(context, MODERATOR_COOKIE));
  }

  /** @param what - completes “Only moderators can …” @throws KronaError NOT_ALLOWED */
  requireModerator(context: Context, what: string): void {
    if (!this.isModerator(context))
      throw new KronaError('NOT_ALLOWED', `Only moderators can ${what}. Open the moderator link first.`);
  }

  /** Sets the cookie and returns true when the key is right. */
  becomeModerator(context: Context, key: string): boolean {
    if (!this.#isModeratorKey(key)) return false;
    this.#keep(context, MODERATOR_COOKIE, key);
    return true;
  }

  #isModeratorKey(given = ''): boolean {
    return isSameSecret(this.#parts.access.moderatorKey, given);
  }

  /** @throws KronaError ACCESS_NEEDED */
  #admit(context: Context): void {
    if (this.keyNeeded(context))
      throw new KronaError(
        'ACCESS_NEEDED',
        'An access key or an invitation link is needed here. Reload the page to enter yours.',
      );
  }

  /** What the browser is known by; null when that does not let it in. */
  #token(context: Context): string | null {
    const cookie = getCookie(context, COOKIE) ?? '';
    if (this.#passes.isValid(cookie)) return cookie;
    // Earlier releases kept the name behind the token, which has a fixed length.
    const [, token] = /^([A-Za-z0-9_-]{43})(?:~|$)/u.exec(cookie) ?? [];
    return token === undefined || this.#parts.access.keyNeeded ? null : token;
  }

  #newToken(): string {
    return this.#parts.access.keyNeeded ? this.#passes.ofModerator() : randomBytes(32).toString('base64url');
  }

  #keep(context: Context, name: string, value: string): void {
    const { secure } = this.#parts;
    setCookie(context, name, value, { httpOnly: true, sameSite: 'Lax', path: '/', maxAge: YEAR, secure });
  }
}
