/**
 * @file Files that members attached, fetched from the address that came with the event, where that is Discord's, and from
 * nowhere else.
 */
import type { Attachment as DiscordAttachment } from 'discord.js';
import type { Attachment } from '../../commands/contract.ts';
import { KronaError } from '../../core/errors.ts';
import { isLoopback } from '../../core/web-access.ts';
import { readPhotoBytes } from '../photo-bytes.ts';

/** Longest wait for a file, ms. */
const PATIENCE = 60_000;
/** Hosts of files that members upload. https://docs.discord.com/developers/reference#signed-attachment-cdn-urls */
const HOSTS = ['cdn.discordapp.com', 'media.discordapp.net'];

/**
 * An attachment of Discord as commands read it.
 *
 * @param api - of an interface that is not Discord's own, as in tests: files are there too. null: Discord's
 */
export function incoming(
  { name, size, url }: Pick<DiscordAttachment, 'name' | 'size' | 'url'>,
  api: string | null,
): Attachment {
  return { fileName: name, size, read: () => download(url, name, api) };
}

async function download(address: string, name: string, api: string | null): Promise<Uint8Array> {
  const url = URL.canParse(address) ? new URL(address) : null;
  if (url === null || !isDiscords(url, api))
    throw new KronaError(
      'ATTACHMENT_FORBIDDEN',
      `${name} is stored outside Discord. Upload it to Discord and send it again.`,
    );
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

function isDiscords(
  { protocol, hostname, host, port, username, password }: URL,
  api: string | null,
): boolean {
  if (api !== null) {
    const own = new URL(api);
    // On this machine one server has many names, and can serve its files on another port.
    if (host === own.host || (isLoopback(own.hostname) && isLoopback(hostname))) return true;
  }
  return protocol === 'https:' && HOSTS.includes(hostname) && port + username + password === '';
}
