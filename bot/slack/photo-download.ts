/**
 * @file Photos that members handed over, fetched with the bot's token and from Slack alone.
 * https://docs.slack.dev/messaging/working-with-files#auth
 */
import { MAX_PHOTO_BYTES, tooManyBytes } from '../../commands/photos/photo-check.ts';
import type { Attachment } from '../../commands/contract.ts';
import { KronaError } from '../../core/errors.ts';
import { isTokenDead, reasonOf, toKronaError } from './failures.ts';
import type { SlackApi } from './web-api.ts';

const REDIRECTS = 3;
const TIMEOUT = 60_000;

export class PhotoDownloads {
  readonly #api: SlackApi;
  readonly #token: string;
  /** A Web API that is not Slack's own: files are there too. */
  readonly #apiAddress: URL | null;

  constructor(api: SlackApi, token: string, apiAddress: string | null) {
    this.#api = api;
    this.#token = token;
    this.#apiAddress = apiAddress === null ? null : new URL(apiAddress);
  }

  /** A file at Slack as an attachment. Nothing is asked or fetched before it is read. */
  attachment(file: { readonly id: string; readonly name?: string; readonly size?: number }): Attachment {
    const fileName = (file.name ?? '').replace(/\p{C}+/gu, '').slice(0, 120) || 'photo';
    return { fileName, size: file.size ?? 0, read: () => this.#read(file.id, fileName) };
  }

  async #read(id: string, name: string): Promise<Uint8Array> {
    const { file } = await this.#api
      .call('files.info', (client) => client.files.info({ file: id }))
      .catch((error: unknown) => {
        throw readError(error, name);
      });
    // A message's menu does not tell it, and nothing too large need be fetched.
    const size = file?.size ?? 0;
    if (size > MAX_PHOTO_BYTES) throw tooManyBytes(name, size);
    const address = file?.url_private_download ?? file?.url_private;
    if (!address) throw gone(name);
    return this.#fetch(address, name);
  }

  async #fetch(address: string, name: string): Promise<Uint8Array> {
    let url = new URL(address);
    for (let hops = 0; hops <= REDIRECTS; hops++) {
      if (!this.#isSlack(url))
        throw new KronaError(
          'ATTACHMENT_FORBIDDEN',
          `${name} is not kept by Slack itself; upload it there and send it again.`,
        );
      const response = await fetch(url, {
        headers: { authorization: `Bearer ${this.#token}` },
        redirect: 'manual',
        signal: AbortSignal.timeout(TIMEOUT),
      }).catch((cause: unknown) => {
        throw new KronaError('ATTACHMENT_GONE', `${name} could not be fetched from Slack; send it again.`, {
          cause,
        });
      });
      const next = response.headers.get('location');
      if (response.status < 300 || response.status >= 400 || next === null) return readBody(response, name);
      await response.body?.cancel();
      url = new URL(next, url);
    }
    throw forbidden(name);
  }

  /** Whether the token may go there. */
  #isSlack({ protocol, hostname, host }: URL): boolean {
    const api = this.#apiAddress;
    // On this machine one server has many names, and may give its files by a port of their own.
    if (api !== null && (host === api.host || (isLoopback(api.hostname) && isLoopback(hostname))))
      return true;
    return (
      protocol === 'https:' && (hostname.endsWith('.slack.com') || /(^|\.)slack-files\.com$/.test(hostname))
    );
  }
}

/** The URL parser has brought addresses such as 127.1 into their full form. */
const isLoopback = (hostname: string): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);

async function readBody(response: Response, name: string): Promise<Uint8Array> {
  // Without the scope, Slack answers with its page to sign in, and says that all is well.
  if (response.headers.get('content-type')?.startsWith('text/html')) {
    await response.body?.cancel();
    throw response.status === 404 ? gone(name) : forbidden(name);
  }
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw response.status === 401 || response.status === 403 ? forbidden(name) : gone(name);
  }
  const claimed = Number(response.headers.get('content-length') ?? 0);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (Math.max(size, claimed) > MAX_PHOTO_BYTES) throw tooManyBytes(name, Math.max(size, claimed));
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function readError(error: unknown, name: string): KronaError {
  const reason = reasonOf(error);
  if (reason === 'file_not_found' || reason === 'file_deleted') return gone(name, error);
  if (reason === 'missing_scope' || isTokenDead(error)) return forbidden(name, error);
  return toKronaError(error, 'files.info');
}

const gone = (name: string, cause?: unknown): KronaError =>
  new KronaError(
    'ATTACHMENT_GONE',
    `${name} is not at Slack any more, or Krona is not in the channel with it; send it again.`,
    {
      cause,
    },
  );

const forbidden = (name: string, cause?: unknown): KronaError =>
  new KronaError(
    'ATTACHMENT_FORBIDDEN',
    `Slack does not let Krona read ${name}: the app needs the scope files:read (api.slack.com/apps, OAuth & Permissions), and must be reinstalled after adding it.`,
    { cause },
  );
