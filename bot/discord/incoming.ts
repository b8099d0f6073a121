/** @file Files that members gave, fetched from the address that came with the event and from nowhere else. */
import type { Attachment as DiscordAttachment } from 'discord.js';
import type { Attachment } from '../../commands/contract.ts';
import { MAX_PHOTO_BYTES, tooManyBytes } from '../../commands/photos/photo-check.ts';
import { KronaError } from '../../core/errors.ts';

/** Longest wait for a file, ms. */
const PATIENCE = 60_000;

/** An attachment of Discord as commands read it. */
export function incoming({ name, size, url }: Pick<DiscordAttachment, 'name' | 'size' | 'url'>): Attachment {
  return { fileName: name, size, read: () => download(url, name) };
}

async function download(url: string, name: string): Promise<Uint8Array> {
  const gone = (cause?: unknown): KronaError =>
    new KronaError('ATTACHMENT_GONE', `${name} could not be fetched from Discord any more; send it again.`, {
      cause,
    });
  let response: Response;
  try {
    response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(PATIENCE) });
  } catch (cause) {
    throw gone(cause);
  }
  if (!response.ok || response.body === null) throw gone(new Error(`status ${response.status}`));
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) {
      size += part.length;
      if (size > MAX_PHOTO_BYTES) throw tooManyBytes(name, size);
      parts.push(part);
    }
  } catch (cause) {
    throw cause instanceof KronaError ? cause : gone(cause);
  }
  return Buffer.concat(parts);
}
