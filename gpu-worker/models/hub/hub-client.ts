/**
 * @file The part of the model hub's API that downloads need: a repository's files at one commit, and their bytes from
 * any offset. The only file that imports @huggingface/hub. API: https://huggingface.co/docs/hub/api
 */
import { downloadFile, HubApiError, listFiles, modelInfo } from '@huggingface/hub';
import type { RemoteFile } from '../../../core/download.ts';
import { readEnvironment, type Environment } from '../../../core/environment.ts';
import { KronaError } from '../../../core/errors.ts';
import { isInteger, quoted } from '../config-fields.ts';

/** Large files have a SHA-256, others git's hash. */
export interface HubFile extends Pick<RemoteFile, 'path' | 'size'> {
  readonly hash: { readonly kind: 'sha256' | 'git'; readonly value: string };
}

export interface HubSnapshot {
  /** `owner/name` */
  readonly repo: string;
  /** 40 hex digits: files of one commit belong together, whatever is pushed meanwhile. */
  readonly commit: string;
  readonly files: readonly HubFile[];
}

export interface HubSettings {
  /** HF_ENDPOINT, without a closing slash. */
  readonly endpoint: string;
  /** HF_TOKEN; null: anonymous. */
  readonly token: string | null;
}

/** Repositories with models have tens of files. */
const MOST_FILES = 20_000;
/** Answers that describe one repository: the hub lists at most 1,000 files in each. */
const MOST_ANSWERS = 200;
/** Bytes of all of them: 300 a file, and as many for folders. */
const MOST_ANSWERED = 16 * 2 ** 20;

const ENDPOINT = 'https://huggingface.co';
/** A connection without data for this long is closed, ms. */
const STALL_MS = 60_000;

/** @throws KronaError HF_TOKEN_INVALID, HF_ENDPOINT_INVALID; no message repeats a value */
export function hubSettings(env: Environment = readEnvironment()): HubSettings {
  const token = env.HF_TOKEN || null;
  if (token !== null && !token.startsWith('hf_'))
    throw new KronaError(
      'HF_TOKEN_INVALID',
      'HF_TOKEN must be an access token that starts with hf_. Create one in the hub’s settings.',
    );
  const endpoint = (env.HF_ENDPOINT || ENDPOINT).replace(/\/+$/, '');
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol))
    throw new KronaError('HF_ENDPOINT_INVALID', `HF_ENDPOINT must be an address such as ${ENDPOINT}.`);
  return { endpoint, token };
}

export class HubClient {
  readonly #settings: HubSettings;
  readonly #signal: AbortSignal | undefined;

  constructor(settings: HubSettings, signal?: AbortSignal) {
    this.#settings = settings;
    this.#signal = signal;
  }

  /**
   * @param revision branch, tag or commit
   * @throws KronaError HUB_NOT_FOUND, HUB_FORBIDDEN, HUB_ANSWER_INVALID, HUB_UNREACHABLE (retryable)
   */
  async snapshot(repo: string, revision: string): Promise<HubSnapshot> {
    const common = this.#common(this.#fetchBounded());
    try {
      const { sha: commit } = await modelInfo({ ...common, name: repo, revision, additionalFields: ['sha'] });
      checkCommit(common.hubUrl, commit);
      const files: HubFile[] = [];
      for await (const { type, path, size, oid, lfs } of listFiles({
        ...common,
        repo,
        revision: commit,
        recursive: true,
      })) {
        if (type !== 'file') continue;
        if (files.length === MOST_FILES) throw invalid(common.hubUrl, `lists more than ${MOST_FILES} files`);
        const hash = lfs
          ? ({ kind: 'sha256', value: lfs.oid } as const)
          : ({ kind: 'git', value: oid ?? '' } as const);
        files.push({ path, size: lfs?.size ?? size, hash });
      }
      for (const file of files) checkFile(common.hubUrl, file);
      return { repo, commit, files };
    } catch (error) {
      throw this.#problem(error, repo);
    }
  }

  /**
   * The bytes of a file from `start`. The stream can end early or fail, so the reader must count.
   *
   * @throws KronaError as snapshot; so does the stream
   */
  async *bytes({ repo, commit }: HubSnapshot, file: HubFile, start: number): AsyncGenerator<Uint8Array> {
    let status = 0;
    const stall = new AbortController();
    const timer = setTimeout(() => stall.abort(new Error('no bytes came')), STALL_MS);
    const fetch = this.#fetch(stall.signal, (response) => (status = response.status));
    const { endpoint } = this.#settings;
    try {
      // Plain HTTP ranges let a download resume at any byte; the hub's chunk protocol (xet) does not.
      const blob = await downloadFile({
        ...this.#common(fetch),
        repo,
        path: file.path,
        revision: commit,
        xet: false,
        downloadInfo: {
          size: file.size,
          etag: file.hash.value,
          url: `${endpoint}/${repo}/resolve/${commit}/${file.path.split('/').map(encodeURIComponent).join('/')}`,
        },
      });
      let skip = -1;
      for await (const chunk of blob!
        .slice(start, file.size)
        .stream() as unknown as AsyncIterable<Uint8Array>) {
        timer.refresh();
        // A server without range support sends the whole file.
        if (skip < 0) skip = status === 200 ? start : 0;
        const passed = Math.min(skip, chunk.length);
        skip -= passed;
        if (passed < chunk.length) yield chunk.subarray(passed);
      }
    } catch (error) {
      // The package passes on the text of an error response, but not its status.
      throw this.#problem(error, repo, status >= 400 ? status : 0);
    } finally {
      clearTimeout(timer);
      // A reader with enough data drops the rest.
      stall.abort();
    }
  }

  #common(customFetch: typeof fetch) {
    const { endpoint, token } = this.#settings;
    return { hubUrl: endpoint, fetch: customFetch, ...(token === null ? {} : { accessToken: token }) };
  }

  /** fetch that aborts with the client's signal, or with `until`. */
  #fetch(until?: AbortSignal, onResponse?: (response: Response) => void): typeof fetch {
    const signals = [this.#signal, until].filter((signal) => signal !== undefined);
    const hub = new URL(this.#settings.endpoint).origin;
    return async (input, init) => {
      const request = new Request(input, { ...init, signal: AbortSignal.any(signals) });
      // The next page of a list can be at any address.
      if (new URL(request.url).origin !== hub) request.headers.delete('authorization');
      const response = await fetch(request);
      onResponse?.(response);
      return response;
    };
  }

  /** fetch for the answers that describe one repository, which can name further ones without end. */
  #fetchBounded(): typeof fetch {
    const { endpoint } = this.#settings;
    const fetch = this.#fetch();
    let [answers, bytes] = [0, 0];
    return async (input, init) => {
      if (++answers > MOST_ANSWERS)
        throw invalid(endpoint, `lists files in more than ${MOST_ANSWERS} answers`);
      const response = await fetch(input, init);
      const counted = new TransformStream<Uint8Array, Uint8Array>({
        transform(piece, to) {
          bytes += piece.length;
          if (bytes > MOST_ANSWERED)
            throw invalid(endpoint, `lists files in more than ${MOST_ANSWERED} bytes`);
          to.enqueue(piece);
        },
      });
      return new Response(response.body?.pipeThrough(counted) ?? null, response);
    };
  }

  /** Describes an error without addresses, because these can be signed. */
  #problem(error: unknown, repo: string, known = 0): unknown {
    if (this.#signal?.aborted) return this.#signal.reason;
    if (error instanceof KronaError) return error;
    const host = new URL(this.#settings.endpoint).host;
    const status = error instanceof HubApiError ? error.statusCode : known;
    if (status === 404) return notFound(repo, host, error);
    if (status === 401 || status === 403)
      return new KronaError(
        'HUB_FORBIDDEN',
        `${host} refuses access to ${repo}${this.#settings.token === null ? ' without a token (or has no such repository)' : ' with this HF_TOKEN'}. ` +
          'Accept its licence on its page and set HF_TOKEN to an access token of that account.',
        { cause: error },
      );
    return new KronaError(
      'HUB_UNREACHABLE',
      status > 0 ? `${host} answered with an error (${status}).` : `The connection to ${host} failed.`,
      { cause: error, retryable: true },
    );
  }
}

/** Folders and names of letters that no file system reads anything into. */
const isPlainPath = (path: unknown): boolean =>
  typeof path === 'string' &&
  path.length <= 1024 &&
  path.split('/').every((part) => part !== '' && part !== '.' && part !== '..') &&
  !/[\0-\x1f\x7f\\]/.test(path);

const DIGITS = { sha256: 64, git: 40 };

const isHex = (value: unknown, digits: number): boolean =>
  typeof value === 'string' && value.length === digits && /^[0-9a-f]+$/.test(value);

/** @throws KronaError HUB_ANSWER_INVALID */
function checkCommit(endpoint: string, commit: unknown): void {
  if (!isHex(commit, 40)) throw invalid(endpoint, `names the commit ${quoted(commit)}`);
}

/**
 * Refuses a name, size or hash that is not what it must be: paths on this machine are made of them.
 * @throws KronaError HUB_ANSWER_INVALID
 */
function checkFile(endpoint: string, { path, size, hash }: HubFile): void {
  if (!isPlainPath(path)) throw invalid(endpoint, `lists a file with the name ${quoted(path)}`);
  if (!isInteger(size)) throw invalid(endpoint, `gives ${path} the size ${quoted(size)}`);
  if (!isHex(hash.value, DIGITS[hash.kind]))
    throw invalid(endpoint, `gives ${path} the hash ${quoted(hash.value)}`);
}

const invalid = (endpoint: string, what: string): KronaError =>
  new KronaError(
    'HUB_ANSWER_INVALID',
    `${new URL(endpoint).host} ${what}, which is invalid. Nothing was downloaded; check HF_ENDPOINT.`,
  );

function notFound(repo: string, host: string, cause: unknown): KronaError {
  return new KronaError(
    'HUB_NOT_FOUND',
    `${host} has no repository ${repo} (or not this revision or file of it); give it as owner/name.`,
    { cause },
  );
}
