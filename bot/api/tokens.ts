/** @file Makes tokens of the REST API and recognises them. Records have only their hashes. */
import { createHash, createHmac, randomBytes, randomUUID } from 'node:crypto';
import { note } from '../../commands/rules/audit.ts';
import type { Actor } from '../../commands/contract.ts';
import { apiMemberId, type ApiToken } from '../../core/api-tokens.ts';
import { KronaError } from '../../core/errors.ts';
import type { Channel, Member } from '../../core/records.ts';
import type { RecordStore } from '../../storage/records.ts';

/** So that people and scanners of leaked secrets know what it is. */
const PREFIX = 'krona_';
const MAX_NAME = 32;

const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex');

/** The key that signs what a token's webhook is told: from the installation's secret, so that it is stored nowhere. */
export const webhookKey = (secret: string, tokenId: string): string =>
  createHmac('sha256', secret).update(`webhook ${tokenId}`).digest('hex');

export interface MadeToken {
  readonly id: string;
  /** Shown once. */
  readonly token: string;
}

export interface TokenWish {
  readonly name: string;
  readonly webhook: string | null;
  /** Origins that webhooks can go to. */
  readonly origins: readonly string[];
}

/**
 * Makes a token for a channel. It acts as a member of its own, whom moderators can block as any other.
 *
 * @throws KronaError TOKEN_NAME_INVALID, WEBHOOK_NOT_ALLOWED
 */
export async function makeToken(
  records: RecordStore,
  maker: Pick<Actor, 'channel' | 'member'>,
  { name: given, webhook, origins }: TokenWish,
): Promise<MadeToken> {
  const name = given
    .normalize('NFC')
    .replace(/\p{C}+/gu, '')
    .trim();
  if (name === '' || [...name].length > MAX_NAME)
    throw new KronaError('TOKEN_NAME_INVALID', `A token's name has 1 to ${MAX_NAME} characters.`);
  if (webhook !== null) checkWebhook(webhook, origins);
  const id = randomUUID();
  const token = PREFIX + randomBytes(32).toString('base64url');
  const { channel } = maker;
  await records.transaction(async (within) => {
    const member = await within.member(channel.platform, apiMemberId(id), `${name} (API)`);
    const of = { id, channelId: channel.id, memberId: member.id, madeBy: maker.member.id };
    await within.addApiToken({ ...of, name, webhook, hash: hashOf(token) });
    await note(within, maker, 'rules', `API token “${name}” made`);
  });
  return { id, token };
}

/** Ends a token at once. What it made stays, and so does its member. */
export async function revokeToken(records: RecordStore, member: Member, id: string): Promise<void> {
  await records.transaction(async (within) => {
    const token = await within.removeApiToken(id);
    const channel = token && (await within.channelById(token.channelId));
    if (channel) await note(within, { channel, member }, 'rules', `API token “${token.name}” revoked`);
  });
}

/**
 * A webhook goes where the administrator allows it: otherwise a moderator could send requests into the bot's network.
 *
 * @throws KronaError WEBHOOK_NOT_ALLOWED
 */
function checkWebhook(webhook: string, origins: readonly string[]): void {
  const url = URL.canParse(webhook) ? new URL(webhook) : null;
  // `blob:https://…` has an origin, too.
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && url.username + url.password === '';
  if (isPlain && origins.includes(url.origin)) return;
  throw new KronaError(
    'WEBHOOK_NOT_ALLOWED',
    origins.length === 0
      ? 'Webhooks are off. The administrator names where they can go in KRONA_WEBHOOK_ORIGINS.'
      : `A webhook's address must begin with ${origins.join(' or ')} (KRONA_WEBHOOK_ORIGINS).`,
  );
}

export interface Caller {
  readonly token: ApiToken;
  readonly channel: Channel;
  readonly member: Member;
}

/** Whose request it is. @param header - `Bearer krona_…` @throws KronaError API_TOKEN_INVALID */
export async function callerOf(records: RecordStore, header: string | undefined): Promise<Caller> {
  const [, given] = /^Bearer (krona_[A-Za-z0-9_-]{43})$/i.exec(header ?? '') ?? [];
  const token = given === undefined ? null : await records.useApiToken(hashOf(given));
  const channel = token && (await records.channelById(token.channelId));
  const [member] = token ? await records.members([token.memberId]) : [];
  if (token === null || channel === null || member === undefined)
    throw new KronaError(
      'API_TOKEN_INVALID',
      'The API token is missing, wrong or revoked. Send `Authorization: Bearer krona_…`; a moderator makes tokens on the administrator’s page.',
    );
  return { token, channel, member };
}
