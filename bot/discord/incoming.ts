/** @file Files that members attached, fetched from the address that came with the event and from nowhere else. */
import type { Attachment as DiscordAttachment } from 'discord.js';
import type { Attachment } from '../../commands/contract.ts';
import { KronaError } from '../../core/errors.ts';
import { readPhotoBytes } from '../photo-bytes.ts';

/** Longest wait for a file, ms. */
const PATIENCE = 60_000;

/** An attachment of Discord as commands read it. */
export function incoming({ name, size, url }: Pick<DiscordAttachment, 'name' | 'size' | 'url'>): Attachment {
  return { fileName: name, size, read: () => download(url, name) };
}

async function download(url: string, name: string): Promise<Uint8Array> {
  try {
    const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(PATIENCE) });
    if (!response.ok || response.body === null) throw new Error(`status ${response.status}`);
    return await readPhotoBytes(response.body, name);
  } catch (cause) {
    if (cause instanceof KronaError) throw cause;
    throw new KronaError('ATTACHMENT_GONE', `Krona could not fetch ${name} from Discord. Send it again.`, {
      cause,
    });
  }
}
