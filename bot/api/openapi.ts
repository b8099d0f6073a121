/** @file The OpenAPI document of the REST API: https://spec.openapis.org/oas/v3.1.0. Options are those of the chat's commands. */
import { COMMANDS, declared } from '../../commands/index.ts';
import type { OptionData } from '../../commands/contract.ts';
import { version } from '../../core/package.ts';

type Json = Readonly<Record<string, unknown>>;

/** What the API calls each command. */
export const OPERATIONS = {
  '/photos': { command: 'photos', action: 'add', files: 'photos', summary: 'Add photos of a subject' },
  '/train': { command: 'train', action: '', files: 'photos', summary: 'Train an adapter' },
  '/imagine': { command: 'imagine', action: '', files: 'image', summary: 'Draw pictures' },
  '/upscale': { command: 'upscale', action: '', files: 'picture', summary: 'Enlarge a picture' },
} as const;

const isFile = ({ type }: OptionData): boolean => type === 'photos' || type === 'picture';

function schemaOf({ type, description, choices, min, max, aboveMin, maxLength }: OptionData): Json {
  const bounds = {
    ...(min !== undefined && { [aboveMin === true ? 'exclusiveMinimum' : 'minimum']: min }),
    ...(max !== undefined && { maximum: max }),
  };
  if (type === 'flag') return { type: 'boolean', description };
  if (type === 'text')
    return {
      type: 'string',
      description,
      ...(choices && { enum: choices }),
      ...(maxLength && { maxLength }),
    };
  return { type, description, ...bounds };
}

/** The body of a command: JSON, or a form with files. */
function bodyOf({ command, action, files }: (typeof OPERATIONS)[keyof typeof OPERATIONS]): Json {
  const { options } = declared(command, action).data;
  const values = options.filter((option) => !isFile(option));
  const properties = Object.fromEntries(values.map((option) => [option.name, schemaOf(option)]));
  const required = values.filter((option) => option.required === true).map(({ name }) => name);
  const object = { type: 'object', properties, ...(required.length > 0 && { required }) };
  const file = { type: 'string', format: 'binary' };
  const form = {
    ...object,
    properties: {
      ...properties,
      [files]: files === 'photos' ? { type: 'array', items: file, maxItems: 10 } : file,
    },
  };
  return {
    required: true,
    content: { 'application/json': { schema: object }, 'multipart/form-data': { schema: form } },
  };
}

const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });
const jsonOf = (schema: Json, description: string): Json => ({
  description,
  content: { 'application/json': { schema } },
});
const ERRORS: Json = { default: jsonOf(ref('Error'), 'Refused: the code says why (docs/errors.md)') };
const ID: Json = { name: 'id', in: 'path', required: true, schema: { type: 'string', format: 'uuid' } };
const text = { type: 'string' };
const number = { type: 'number' };
const integer = { type: 'integer' };
const orNull = (schema: Json): Json => ({ oneOf: [schema, { type: 'null' }] });
const objectOf = (properties: Json): Json => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
});
const listOf = (items: Json): Json => ({ type: 'array', items });

const SCHEMAS: Json = {
  Error: objectOf({ error: objectOf({ code: text, message: text }) }),
  Work: objectOf({
    id: text,
    kind: { enum: ['train', 'sweep', 'imagine'] },
    state: { enum: ['queued', 'running', 'done', 'failed', 'cancelled'] },
    progress: orNull(objectOf({ step: integer, steps: integer, secondsLeft: orNull(number), phase: text })),
    position: orNull(integer),
    failure: orNull(objectOf({ code: text, message: text })),
    createdAt: { type: 'string', format: 'date-time' },
    endedAt: orNull({ type: 'string', format: 'date-time' }),
    pictures: listOf(ref('Picture')),
    adapters: listOf(ref('Adapter')),
  }),
  Picture: objectOf({
    id: text,
    url: orNull(text),
    width: integer,
    height: integer,
    seed: orNull(integer),
    sensitive: { type: 'boolean' },
    votes: objectOf({ for: integer, against: integer }),
  }),
  Adapter: objectOf({ id: text, step: integer, final: { type: 'boolean' }, url: text }),
  Answer: objectOf({ work: orNull(ref('Work')), notes: listOf(text) }),
  /** What a webhook is sent. */
  Ended: objectOf({ id: text, type: { const: 'work.ended' }, work: ref('Work') }),
};

/** @param server - the address of the API */
export function openApi(server: string): Json {
  const commands = Object.entries(OPERATIONS).map(([path, operation]) => [
    path,
    {
      post: {
        operationId: operation.command,
        summary: operation.summary,
        requestBody: bodyOf(operation),
        responses: { 202: jsonOf(ref('Answer'), 'Accepted'), ...ERRORS },
      },
    },
  ]);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Krona',
      version,
      description: `The commands of a channel for scripts and other bots, with the channel's rules and quotas. ${COMMANDS.length} commands exist in the chat; these are the ones for programs.`,
    },
    servers: [{ url: server }],
    security: [{ token: [] }],
    paths: {
      ...Object.fromEntries(commands),
      '/adapters': {
        get: {
          operationId: 'adapters',
          summary: 'The adapters of the channel, the newest first',
          responses: {
            200: jsonOf(objectOf({ adapters: listOf(ref('Adapter')) }), 'All of them'),
            ...ERRORS,
          },
        },
      },
      '/work/{id}': {
        parameters: [ID],
        get: {
          operationId: 'status',
          summary: 'A training or a set of pictures: state, results and votes',
          responses: { 200: jsonOf(objectOf({ work: ref('Work') }), 'As it is now'), ...ERRORS },
        },
        delete: {
          operationId: 'cancel',
          summary: 'Cancel work that this token asked for',
          responses: { 200: jsonOf(objectOf({ work: ref('Work') }), 'Cancelled'), ...ERRORS },
        },
      },
      '/pictures/{id}/votes': {
        parameters: [ID],
        put: {
          operationId: 'vote',
          summary: 'Vote for or against a picture, or take the vote back',
          requestBody: {
            required: true,
            content: {
              'application/json': { schema: objectOf({ vote: { enum: ['for', 'against', 'none'] } }) },
            },
          },
          responses: { 200: jsonOf(objectOf({ work: ref('Work') }), 'Its set'), ...ERRORS },
        },
      },
    },
    webhooks: {
      ended: {
        post: {
          summary:
            'Sent when work has ended. Answer with a status of 200 to 299; anything else is tried again for a day',
          parameters: [
            {
              name: 'krona-signature',
              in: 'header',
              schema: text,
              description:
                '`t=<seconds>,v1=<hex>`: HMAC-SHA256 of `<t>.<body>` with the key that was shown with the token',
            },
          ],
          requestBody: { content: { 'application/json': { schema: ref('Ended') } } },
          responses: { 200: { description: 'Taken' } },
        },
      },
    },
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: SCHEMAS,
    },
  };
}
