/**
 * @file Photos that members sent, fetched with the bot's token and only from Slack.
 * https://docs.slack.dev/messaging/working-with-files#auth
 */
import { MAX_PHOTO_BYTES, tooManyBytes } from '../../commands/photos/photo-check.ts';
import type { Attachment } from '../../commands/contract.ts';
import { KronaError } from '../../core/errors.ts';
import { isLoopback } from '../../core/web-access.ts';
import { readPhotoBytes } from '../photo-bytes.ts';
import { isTokenDead, reasonOf, toKronaError } from './failures.ts';
import type { SlackApi } from './web-api.ts';

const REDIRECTS = 3;
const TIMEOUT = 60_000;

export class PhotoDownloads {
  readonly #api: SlackApi;
  readonly #token: string;
  /** A Web API that is not Slack's own, as in tests: files are there too. */
  readonly #apiAddress: URL | null;

  constructor(api: SlackApi, token: string, apiAddress: string | null) {
    this.#api = api;
    this.#token = token;
    this.#apiAddress = apiAddress === null ? null : new URL(apiAddress);
  }

  /** A file at Slack as an attachment. Nothing is requested before it is read. */
  attachment(file: {
    readonly id: string;
    readonly name?: string;
    readonly size?: number;
    readonly option?: string;
  }): Attachment {
    const fileName = (file.name ?? '').replace(/\p{C}+/gu, '').slice(0, 120) || 'photo';
    const { id, size = 0, option } = file;
    return { fileName, size, read: () => this.#read(id, fileName), ...(option !== undefined && { option }) };
  }

  async #read(id: string, name: string): Promise<Uint8Array> {
    const { file } = await this.#api
      .call('files.info', (client) => client.files.info({ file: id }))
      .catch((error: unknown) => {
        throw readError(error, name);
      });
    // A message's menu does not name it, and files that are too large need not be fetched.
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
          `${name} is stored outside Slack. Upload it to Slack and send it again.`,
        );
      const response = await fetch(url, {
        headers: { authorization: `Bearer ${this.#token}` },
        redirect: 'manual',
        signal: AbortSignal.timeout(TIMEOUT),
      }).catch((cause: unknown) => {
        throw new KronaError('ATTACHMENT_GONE', `Krona could not fetch ${name} from Slack. Send it again.`, {
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

  /** Whether the token can be sent there. */
  #isSlack({ protocol, hostname, host }: URL): boolean {
    const api = this.#apiAddress;
    // On this machine one server has many names, and can serve its files on another port.
    if (api !== null && (host === api.host || (isLoopback(api.hostname) && isLoopback(hostname))))
      return true;
    return (
      protocol === 'https:' && (hostname.endsWith('.slack.com') || /(^|\.)slack-files\.com$/.test(hostname))
    );
  }
}

async function readBody(response: Response, name: string): Promise<Uint8Array> {
  // Without the scope, Slack answers with its sign-in page and status 200.
  if (response.headers.get('content-type')?.startsWith('text/html')) {
    await response.body?.cancel();
    throw response.status === 404 ? gone(name) : forbidden(name);
  }
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw response.status === 401 || response.status === 403 ? forbidden(name) : gone(name);
  }
  const claimed = Number(response.headers.get('content-length') ?? 0);
  if (claimed > MAX_PHOTO_BYTES) {
    await response.body.cancel();
    throw tooManyBytes(name, claimed);
  }
  return readPhotoBytes(response.body, name);
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
    `${name} was deleted on Slack, or is in a channel without Krona. Send it again.`,
    {
      cause,
    },
  );

const forbidden = (name: string, cause?: unknown): KronaError =>
  new KronaError(
    'ATTACHMENT_FORBIDDEN',
    `Slack does not let Krona read ${name}. An administrator must add the scope files:read (api.slack.com/apps, OAuth & Permissions) and reinstall the app.`,
    { cause },
  );
