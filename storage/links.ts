/**
 * @file Signed links to blobs. Anybody who has a link can fetch the blob until the link expires; nothing is stored
 * for it: `/blobs/<hash>/<file name>?expires=<seconds>&signature=<HMAC-SHA256, base64url>`.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { KronaError } from '../core/errors.ts';

export interface BlobLink {
  readonly hash: string;
  /** Name under which a browser saves the file. */
  readonly fileName: string;
  /** End of validity, to the second. */
  readonly expiresAt: Date;
}

/** Returns the link's path and query, to follow the bot's address. */
export function signLink(secret: string, link: BlobLink): string {
  const expires = Math.floor(link.expiresAt.getTime() / 1000);
  const signature = sign(secret, link.hash, link.fileName, expires);
  return `/blobs/${link.hash}/${encodeURIComponent(link.fileName)}?expires=${expires}&signature=${signature}`;
}

/**
 * Reads a link's path and query.
 *
 * @throws KronaError LINK_INVALID when the link is not one of ours, LINK_EXPIRED
 */
export function verifyLink(secret: string, pathAndQuery: string, now = new Date()): BlobLink {
  const match = /^\/blobs\/([0-9a-f]{64})\/([^/?]+)\?expires=(\d{1,12})&signature=([\w-]{43})$/.exec(
    pathAndQuery,
  );
  if (match === null) throw invalid();
  const [, hash = '', encodedName = '', expires = '', signature = ''] = match;
  const fileName = decode(encodedName);
  const expected = sign(secret, hash, fileName, Number(expires));
  if (!timingSafeEqual(Buffer.from(signature), Buffer.from(expected))) throw invalid();
  const expiresAt = new Date(Number(expires) * 1000);
  if (now >= expiresAt) {
    throw new KronaError(
      'LINK_EXPIRED',
      'This link has expired. Ask for the file again where you found the link.',
    );
  }
  return { hash, fileName, expiresAt };
}

function sign(secret: string, hash: string, fileName: string, expires: number): string {
  // The name comes last because only it can contain a line break.
  return createHmac('sha256', secret).update(`${hash}\n${expires}\n${fileName}`).digest('base64url');
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid();
  }
}

const invalid = (): KronaError =>
  new KronaError('LINK_INVALID', 'This link is invalid. Copy the whole link, or ask for the file again.');
