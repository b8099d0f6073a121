/**
 * @file Serves signed links: whole files or one range of them (RFC 9110 §14), with the content's hash as the entity tag,
 * so that a download resumes where it stopped and a picture is fetched once.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Context } from 'hono';
import type { BlobStore } from '../storage/blobs/contract.ts';
import type { Config } from '../core/config.ts';
import { KronaError } from '../core/errors.ts';
import { verifyLink } from '../storage/links.ts';
import { addressOf } from './client-address.ts';
import type { Downloads } from './downloads.ts';
import { FROM_BOT } from './file-header.ts';

/** Types that a browser shows; it saves all others. SVG and HTML are missing on purpose: they can carry scripts. */
const SHOWN: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  gif: 'image/gif',
};

const DAY = 86_400_000;

/**
 * When a link made now expires: a week from the coming midnight (UTC), so that all links of a day are the same
 * and a browser keeps what it has fetched.
 */
export const linkExpiry = (now = Date.now()): Date => new Date((Math.floor(now / DAY) + 8) * DAY);

/** The range of a Range header that can be served; null: the whole file; `none`: outside of the file. */
export function parseRange(
  header: string | undefined,
  size: number,
): { start: number; end: number } | null | 'none' {
  // Several ranges at once can be answered with the whole file, and no browser that resumes sends them.
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '') ?? [];
  if (first === '' && last === '') return null;
  if (first === '') {
    const length = Math.min(size, Number(last));
    return length === 0 ? 'none' : { start: size - length, end: size - 1 };
  }
  const start = Number(first);
  const end = last === '' ? size - 1 : Math.min(size - 1, Number(last));
  if (last !== '' && Number(last) < start) return null;
  return start >= size ? 'none' : { start, end };
}

/** A browser may go to the same address of the store for so long, s; the address stays valid for longer. */
const ELSEWHERE = 1800;

/** Where the files come from if the bot doesn't send them itself: the store's origin, such as `https://s3.example.org`. */
export async function originOfFiles(
  blobs: BlobStore,
  { blobLinks }: Pick<Config, 'blobLinks'>,
): Promise<string | null> {
  if (blobLinks === 'proxied') return null;
  const any = { contentType: 'image/png', contentDisposition: 'inline', cacheControl: 'private' };
  const link = await blobs.publicLink('0'.repeat(64), any);
  return link === null ? null : new URL(link).origin;
}

/**
 * Answers GET and HEAD of a signed link: with the file, or with an address of the store if `blobLinks` says so.
 *
 * @throws KronaError LINK_INVALID, LINK_EXPIRED, BLOB_NOT_FOUND, BLOBS_*, TOO_MANY_DOWNLOADS
 */
export async function serveFile(
  context: Context,
  blobs: BlobStore,
  { secret, blobLinks, webAccess }: Pick<Config, 'secret' | 'blobLinks' | 'webAccess'>,
  downloads: Downloads,
): Promise<Response> {
  const { pathname, search } = new URL(context.req.url);
  const { hash, fileName, expiresAt } = verifyLink(secret, pathname + search);
  const info = await blobs.stat(hash);
  if (info === null) throw new KronaError('BLOB_NOT_FOUND', 'This file has been deleted.');

  const tag = `"${hash}"`;
  const shown = SHOWN[fileName.slice(fileName.lastIndexOf('.') + 1).toLowerCase()];
  const headers = {
    etag: tag,
    'accept-ranges': 'bytes',
    'cache-control': `private, immutable, max-age=${Math.max(0, Math.floor((expiresAt.getTime() - Date.now()) / 1000))}`,
    'content-type': shown ?? 'application/octet-stream',
    'content-disposition': `${shown === undefined ? 'attachment' : 'inline'}; filename*=UTF-8''${encodeName(fileName)}`,
  };
  if (
    context.req
      .header('if-none-match')
      ?.split(',')
      .some((each) => each.trim() === tag)
  )
    return context.body(null, 304, headers);

  const { method } = context.req;
  if (blobLinks === 'presigned' && method === 'GET' && context.req.header(FROM_BOT) === undefined) {
    const link = await blobs.publicLink(hash, {
      contentType: headers['content-type'],
      contentDisposition: headers['content-disposition'],
      cacheControl: headers['cache-control'],
    });
    if (link !== null)
      return context.body(null, 302, { location: link, 'cache-control': `private, max-age=${ELSEWHERE}` });
  }

  // A range of other content than the download began with would make a broken file: then all of it is sent.
  const ifRange = context.req.header('if-range');
  const range =
    ifRange !== undefined && ifRange !== tag ? null : parseRange(context.req.header('range'), info.size);
  if (range === 'none')
    return context.body(null, 416, { ...headers, 'content-range': `bytes */${info.size}` });
  const length = range === null ? info.size : range.end - range.start + 1;
  const about = {
    ...headers,
    'content-length': String(length),
    ...(range !== null && { 'content-range': `bytes ${range.start}-${range.end}/${info.size}` }),
  };
  const status = range === null ? 200 : 206;
  if (context.req.method === 'HEAD') return context.body(null, status, about);
  const { incoming, outgoing } = context.env as { incoming: IncomingMessage; outgoing: ServerResponse };
  const address = addressOf(incoming, webAccess.trustedProxies);
  const wanted = range ?? { start: 0, end: info.size - 1 };
  return context.body(await downloads.begin(outgoing, address, blobs, hash, wanted), status, about);
}

/** RFC 8187: percent-encodes all but attribute characters. */
const encodeName = (name: string): string =>
  encodeURIComponent(name).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
