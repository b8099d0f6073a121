/** @file Requests of the page, checked against a schema before a route sees them. */
import type { Context, MiddlewareHandler } from 'hono';
import { validator } from 'hono/validator';
import * as v from 'valibot';
import { KronaError } from '../core/errors.ts';

/** Most characters of a problem that a schema words itself, which may quote the request. */
const MOST_QUOTED = 120;

type Schema = v.GenericSchema<unknown, unknown>;

/** A middleware that checks a part of the request and types it. Throws REQUEST_INVALID, which names the field. */
export const checked = <S extends Schema, T extends 'json' | 'query'>(target: T, schema: S) =>
  validator(target, (value: unknown): v.InferOutput<S> => {
    const { success, output, issues } = v.safeParse(schema, value);
    if (success) return output;
    const [issue] = issues;
    const path = v.getDotPath(issue);
    throw new KronaError(
      'REQUEST_INVALID',
      `Invalid ${path === null ? 'request' : `\`${path}\``}: ${issue.message.slice(0, MOST_QUOTED)}.`,
    );
  });

/** NUL and halves of characters, which PostgreSQL's jsonb can't hold. */
const UNSTORABLE = /\0|\p{Surrogate}/gu;

/** Text of at most `most` characters, without what can't be stored. */
export const text = (most: number) => {
  const expected = `expected text of at most ${most} characters`;
  return v.pipe(
    v.string(expected),
    v.maxLength(most, expected),
    v.transform((given) => given.replace(UNSTORABLE, '')),
  );
};

/** A UUID in lower case. */
export const uuid = v.pipe(
  v.string('expected a UUID'),
  v.regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/, 'expected a UUID'),
);

/** One emoji, as a browser sends it: with modifiers, joiners, flags and keycaps. */
export const emoji = v.pipe(
  text(32),
  v.regex(
    /^(?:\p{Regional_Indicator}{2}|[0-9#*]\ufe0f?\u20e3|\p{Extended_Pictographic}\ufe0f?\p{Emoji_Modifier}?(?:\u200d\p{Extended_Pictographic}\ufe0f?\p{Emoji_Modifier}?)*(?:[\u{e0020}-\u{e007f}]+)?)$/u,
    'expected one emoji',
  ),
);

/** No answer of the interface is kept by a browser. */
export const notStored: MiddlewareHandler = async (context: Context, next) => {
  context.header('cache-control', 'no-store');
  await next();
};
