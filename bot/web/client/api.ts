/** @file Requests from the page to the bot. Every failure becomes an ApiError with words for a member. */
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

async function request(path: string, init: RequestInit): Promise<unknown> {
  const response = await fetch(path, init).catch(() => {
    throw new ApiError(OFFLINE);
  });
  const body: unknown = await response.json().catch(() => null);
  if (response.ok) return body;
  const error = (body as { error?: ErrorView } | null)?.error;
  throw new ApiError(
    error ?? {
      code: `HTTP_${response.status}`,
      message: `Krona answered with status ${response.status}; try again.`,
    },
  );
}

export const get = (path: string): Promise<unknown> => request(path, {});

export const send = (method: 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<unknown> =>
  request(path, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });

/** Sends a photo ahead of its message and returns the id to name it by. */
export async function upload(file: File): Promise<string> {
  const answer = await request('/api/uploads', {
    method: 'POST',
    body: file,
    headers: { 'content-type': 'application/octet-stream', 'x-file-name': encodeURIComponent(file.name) },
  });
  return (answer as { id: string }).id;
}
