/** @file Requests from the page to the bot, typed by its routes. Every failure becomes an ApiError for a member to read. */
import { type ClientResponse, hc } from 'hono/client';
import type { Api } from '../api.ts';
import type { ErrorView } from '../protocol.ts';

export class ApiError extends Error {
  readonly code: string;

  constructor({ code, message }: ErrorView) {
    super(message);
    this.code = code;
  }
}

const OFFLINE: ErrorView = {
  code: 'OFFLINE',
  message: 'Krona could not be reached. Nothing was lost: send it again when the connection is back.',
};

/** The bot's routes. */
export const api = hc<Api>('/api');

/** The answer of a route. @throws ApiError */
export async function answerOf<T>(request: Promise<ClientResponse<T>>): Promise<T> {
  const response = await request.catch(() => {
    throw new ApiError(OFFLINE);
  });
  if (response.ok) return (await response.json()) as T;
  throw new ApiError(await errorOf(response));
}

async function errorOf(response: Pick<Response, 'json' | 'status'>): Promise<ErrorView> {
  const body: unknown = await response.json().catch(() => null);
  const { status } = response;
  return isFailure(body)
    ? body.error
    : { code: `HTTP_${status}`, message: `Krona answered with status ${status}. Try again.` };
}

const isFailure = (body: unknown): body is { readonly error: ErrorView } =>
  typeof body === 'object' && body !== null && 'error' in body;

/** A channel as routes take it: Hono's client puts parameters into the address as they are. */
export const inChannel = (id: string) => ({ param: { channel: encodeURIComponent(id) } });

/** What to show of a failure. */
export const messageOf = (failure: unknown): string =>
  failure instanceof Error ? failure.message : String(failure);

/** Sends a photo ahead of its message and returns the id to name it by. @throws ApiError */
export async function upload(file: File): Promise<string> {
  const headers = {
    'content-type': 'application/octet-stream',
    'x-file-name': encodeURIComponent(file.name),
  };
  const { id } = await answerOf(api.uploads.$post({}, { headers, init: { body: file } }));
  return id;
}
