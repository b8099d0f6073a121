/**
 * @file Requests against Discord's own schemas (npm discord-api-spec, made from its OpenAPI document) and the rules
 * that these do not hold: unknown fields, lower-case names, lengths, and what Components V2 ask of a whole message.
 */
import {
  ApplicationCommandAutocompleteCallbackRequestSchema,
  ApplicationCommandUpdateRequestSchema,
  CreateMessageInteractionCallbackRequestSchema,
  IncomingWebhookInteractionRequestSchema,
  IncomingWebhookUpdateRequestPartialSchema,
  MessageCreateRequestSchema,
  MessageEditRequestPartialSchema,
  ModalInteractionCallbackRequestSchema,
  UpdateMessageInteractionCallbackRequestSchema,
} from 'discord-api-spec/zod';
import { ComponentType, MessageFlags } from 'discord-api-types/v10';
import { flat } from './platform.ts';

interface Schema {
  safeParse(value: unknown): { success: boolean; data?: unknown; error?: { message: string } };
}

export const SCHEMAS = {
  createMessage: MessageCreateRequestSchema,
  editMessage: MessageEditRequestPartialSchema,
  followUp: IncomingWebhookInteractionRequestSchema,
  editOriginal: IncomingWebhookUpdateRequestPartialSchema,
  command: ApplicationCommandUpdateRequestSchema,
} satisfies Record<string, Schema>;

export type SchemaName = keyof typeof SCHEMAS;

/** By the type of the answer to an interaction. */
const CALLBACKS: Readonly<Record<number, Schema>> = {
  4: CreateMessageInteractionCallbackRequestSchema,
  5: CreateMessageInteractionCallbackRequestSchema,
  6: UpdateMessageInteractionCallbackRequestSchema,
  7: UpdateMessageInteractionCallbackRequestSchema,
  8: ApplicationCommandAutocompleteCallbackRequestSchema,
  9: ModalInteractionCallbackRequestSchema,
};

/** What is wrong with a body; '' when nothing is. */
export function schemaProblem(schema: Schema, body: unknown): string {
  const result = schema.safeParse(body);
  if (!result.success) return result.error!.message.replace(/\s+/g, ' ').slice(0, 600);
  // The schemas drop what they do not know, so what is missing afterwards was unknown.
  return unknownField(body, result.data, '');
}

interface Callback {
  readonly type: number;
  readonly data?: Record<string, unknown>;
}

export function callbackProblem(body: Callback): string {
  const schema = CALLBACKS[body.type];
  if (!schema) return `callback type ${body.type} is unknown`;
  const flags = Number(body.data?.['flags'] ?? 0);
  if (body.type === 5 && (flags & ~MessageFlags.Ephemeral) !== 0)
    return `flags ${flags} of a deferred answer, which can be but ephemeral`;
  return schemaProblem(schema, body);
}

/** What is wrong with the values that a form is filled with. */
export function formProblem({ type, data }: Callback): string {
  if (type !== 9) return '';
  for (const { type: kind, custom_id: id, value, max_length: most } of flat(data!['components'] as unknown[]))
    if (kind === ComponentType.TextInput && text(value).length > Number(most ?? 4000))
      return `the value of ${String(id)} is longer than ${String(most)}`;
  return '';
}

function unknownField(given: unknown, kept: unknown, path: string): string {
  if (typeof given !== 'object' || given === null) return '';
  for (const [key, value] of Object.entries(given)) {
    const here = `${path}.${key}`;
    const other = (kept as Record<string, unknown> | undefined)?.[key];
    if (value !== undefined && other === undefined) return `unknown field ${here}`;
    const inside = unknownField(value, other, here);
    if (inside !== '') return inside;
  }
  return '';
}

/** What is wrong with a message as a whole. @param fileNames of all attachments that it will have */
export function messageProblem(body: Record<string, unknown>, fileNames: readonly string[]): string {
  const flags = Number(body['flags'] ?? 0);
  const components = (body['components'] ?? []) as unknown[];
  const all = flat(components);
  const mentions = body['allowed_mentions'] as { parse?: unknown[] } | undefined;
  if (mentions?.parse?.length !== 0)
    return 'allowed_mentions.parse is not [], so the message could ping people';
  if (typeof body['content'] === 'string' && body['content'].length > 2000)
    return 'content over 2000 characters';
  if (components.length > 0 && !(flags & MessageFlags.IsComponentsV2)) return 'components without their flag';
  if (body['content'] || (body['embeds'] as unknown[] | undefined)?.length)
    return 'content beside Components V2';
  if (components.length === 0) return 'an empty message';
  if (all.length > 40) return `${all.length} components, more than 40`;
  const texts = all.filter(({ type }) => type === ComponentType.TextDisplay);
  const length = texts.reduce((sum, { content }) => sum + String(content).length, 0);
  if (length > 4000) return `${length} characters of text, more than 4000`;
  const ids = all.flatMap(({ custom_id: id }) => (typeof id === 'string' ? [id] : []));
  if (new Set(ids).size !== ids.length) return 'a custom_id twice';
  const referred = [...JSON.stringify(components).matchAll(/"attachment:\/\/([^"]+)"/g)].map(
    ([, name]) => name!,
  );
  const missing = referred.find((name) => !fileNames.includes(name));
  if (missing !== undefined) return `${missing} is not attached`;
  const unused = fileNames.find((name) => !referred.includes(name));
  if (unused !== undefined) return `${unused} is attached and no component shows it`;
  return fileNames.length > 10 ? `${fileNames.length} files, more than 10` : '';
}

const NAME = /^[-_'\p{Ll}\p{N}]{1,32}$/u;

/** What is wrong with commands that are to be registered. */
export function commandsProblem(commands: readonly Record<string, unknown>[]): string {
  for (const command of commands) {
    const problem = schemaProblem(SCHEMAS.command, command);
    if (problem !== '') return problem;
    const size = characters(command);
    if (size > 8000) return `${size} characters in one command, more than 8000`;
    // Only commands that are typed need lower-case names.
    if ((command['type'] ?? 1) === 1) {
      const bad = names(command).find((name) => !NAME.test(name));
      if (bad !== undefined) return `the name ${bad} is not allowed`;
    }
    const late = optionLists(command).find((list) =>
      list.some(
        (option, at) => option['required'] === true && list.slice(0, at).some((o) => o['required'] !== true),
      ),
    );
    if (late) return 'a required option after an optional one';
  }
  return '';
}

type Node = Record<string, unknown>;
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const options = (node: Node): Node[] => (node['options'] ?? []) as Node[];
const names = (node: Node): string[] => [String(node['name']), ...options(node).flatMap(names)];
const optionLists = (node: Node): Node[][] => [options(node), ...options(node).flatMap(optionLists)];
const characters = (node: Node): number =>
  String(node['name']).length +
  text(node['description']).length +
  ((node['choices'] ?? []) as { name: string; value: string | number }[]).reduce(
    (sum, { name, value }) => sum + name.length + String(value).length,
    0,
  ) +
  options(node).reduce((sum, option) => sum + characters(option), 0);
