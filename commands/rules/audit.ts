/** @file Logs what members do, for the channel's moderators (`/krona rules log`). */
import type { AuditEntry } from '../../core/records.ts';
import type { Records } from '../../storage/records.ts';
import type { Actor } from '../contract.ts';

type AuditAction =
  | 'train'
  | 'imagine'
  | 'duel'
  | 'photos'
  | 'settings'
  | 'rules'
  | 'champion'
  | 'delete'
  | 'privacy'
  | 'queue'
  | 'model';

/** Adds a log entry. Call it in the transaction of the logged change. */
export function note(
  records: Records,
  { channel, member }: Pick<Actor, 'channel' | 'member'>,
  action: AuditAction,
  details: string,
  counted: Partial<Pick<AuditEntry, 'targetId' | 'amount'>> = {},
): Promise<void> {
  return records.addAudit({ channelId: channel.id, memberId: member.id, action, details, ...counted });
}
