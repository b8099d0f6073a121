/** @file Tokens of the REST API, as records have them. */
import type { Platform } from './records.ts';

export interface ApiToken {
  readonly id: string;
  readonly channelId: string;
  /** As whom it acts. */
  readonly memberId: string;
  readonly name: string;
  /** The moderator who made it. */
  readonly madeBy: string;
  /** Where it is told that work has ended; null: nowhere. */
  readonly webhook: string | null;
  readonly createdAt: Date;
  /** null: never. Exact to a minute. */
  readonly usedAt: Date | null;
}

/** The platform's id, as records have it, of the member as whom a token acts: no platform knows it. */
export const apiMemberId = (tokenId: string): string => `api:${tokenId}`;
export const isApiMember = (externalId: string): boolean => externalId.startsWith('api:');

/** A token as administrators see it. */
export interface ListedToken extends Pick<ApiToken, 'id' | 'name' | 'webhook' | 'createdAt' | 'usedAt'> {
  readonly channelName: string;
  readonly platform: Platform;
  /** Name of the moderator who made it. */
  readonly madeByName: string;
  /** Ends of work that its webhook was told of in vain. */
  readonly undelivered: number;
}

/** The end of some work, of which a webhook is to be told. */
export interface WebhookDelivery {
  readonly id: string;
  readonly tokenId: string;
  readonly workId: string;
  readonly webhook: string;
  /** Tries that failed. */
  readonly tries: number;
}
