/**
 * @file Passes: what a browser shows to be let in where a key is needed. A pass names a member and is signed, so none is
 * stored: whoever opens an invitation again, or enters a key again, is the same member.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { isSameSecret } from '../../core/same-secret.ts';
import type { WebAccess } from '../../core/web-access.ts';

/** How a member got in: an access key, an invitation, or the moderator link. */
const KIND = { key: 'k', invitation: 'i', moderator: 'm' } as const;

/** A pass: its kind, 16 bytes that name the member, and the signature, in base64url. */
const PASS = /^([kim][A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})$/;

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

export class Passes {
  readonly #secret: string;
  readonly #access: WebAccess;

  constructor(secret: string, access: WebAccess) {
    this.#secret = secret;
    this.#access = access;
  }

  /** A new member's. Whoever has it is that member. */
  invitation(): string {
    return this.#sign(KIND.invitation + randomBytes(16).toString('base64url'));
  }

  /** For a browser of a moderator; invalid when the moderator key changes. */
  ofModerator(): string {
    return this.#sign(KIND.moderator + randomBytes(16).toString('base64url'));
  }

  /** The pass of an access key, always the same; null for an unknown key. */
  ofKey(key: string): string | null {
    const known = this.#access.keys.some((each) => isSameSecret(each, key));
    return known ? this.#sign(keyName(key)) : null;
  }

  isInvitation(pass: string): boolean {
    return pass.startsWith(KIND.invitation) && this.isValid(pass);
  }

  isValid(pass: string): boolean {
    const [, name = '', signature = ''] = PASS.exec(pass) ?? [];
    if (signature === '' || !isSameSecret(this.#signatureOf(name), signature)) return false;
    return !name.startsWith(KIND.key) || this.#access.keys.some((key) => keyName(key) === name);
  }

  #sign(name: string): string {
    return `${name}.${this.#signatureOf(name)}`;
  }

  #signatureOf(name: string): string {
    const key = name.startsWith(KIND.moderator) ? this.#secret + this.#access.moderatorKey : this.#secret;
    return createHmac('sha256', key).update(`pass to the web chat: ${name}`).digest('base64url');
  }
}

const keyName = (key: string): string => KIND.key + digest(key).subarray(0, 16).toString('base64url');
