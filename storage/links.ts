/**
 * @file Links to blobs that whoever has them may fetch until they expire. The path says everything, so nothing is
 * stored for them: `/blobs/<hash>/<file name>?expires=<seconds>&signature=<HMAC-SHA256, base64url>`.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { KronaError } from '../core/errors.ts';

export interface BlobLink {
  readonly hash: string;
  /** What the file is called when it is saved. */
  readonly fileName: string;
  /** Valid until then, to the second. */
  readonly expiresAt: Date;
}

/** The link's path and query; the bot's address goes before it. */
export function signLink(secret: string, link: BlobLink): string {
  const expires = Math.floor(link.expiresAt.getTime() / 1000);
  const signature = sign(secret, link.hash, link.fileName, expires);
  return `/blobs/${link.hash}/${encodeURIComponent(link.fileName)}?expires=${expires}&signature=${signature}`;
}

/**
 * What a link's path and query stand for.
 *
 * @throws KronaError LINK_INVALID when it is not one of ours, LINK_EXPIRED when it was.
 */
export function verifyLink(secret: string, pathAndQuery: string, now = new Date()): BlobLink {
  const match = /^\/blobs\/([0-9a-f]{64})\/([^/?]+)\?expires=(\d{1,12})&signature=([\w-]{43})$/.exec(
    pathAndQuery,
  );
  if (match === null) throw invalid();
  const [, hash, encodedName, expires, signature] = match as unknown as [
    string,
    string,
    string,
    string,
    string,
  ];
  const fileName = decode(encodedName);
  const expected = sign(secret, hash, fileName, Number(expires));
  if (!timingSafeEqual(Buffer.from(signature), Buffer.from(expected))) throw invalid();
  const expiresAt = new Date(Number(expires) * 1000);
  if (now >= expiresAt) {
    throw new KronaError('LINK_EXPIRED', 'This link has expired; ask for the file again where you found it.');
  }
  return { hash, fileName, expiresAt };
}

function sign(secret: string, hash: string, fileName: string, expires: number): string {
  // The name comes last, as it alone could hold a line break.
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
  new KronaError(
    'LINK_INVALID',
    'This link is damaged or not ours; copy it whole, or ask for the file again.',
  );
