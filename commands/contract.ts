/** @file What a command is. One file a command; gateways register, complete and call them all alike. */
import type { BlobStore } from '../storage/blobs/contract.ts';
import type { JobQueue } from '../storage/jobs/contract.ts';
import type { Channel, Member, RecordStore } from '../storage/records/contract.ts';
import type { Card } from './card.ts';

/** A file that came with a command. Nothing is fetched or read before the command asks for it. */
export interface Attachment {
  readonly fileName: string;
  /** Bytes, as the platform claims. */
  readonly size: number;
  /** @throws KronaError ATTACHMENT_GONE, ATTACHMENT_TOO_LARGE */
  read(): Promise<Uint8Array>;
}

export interface OptionData {
  readonly name: string;
  readonly description: string;
  readonly type: 'text' | 'integer' | 'number' | 'flag' | 'photos';
  readonly required?: boolean;
  readonly choices?: readonly string[];
  /** Suggestions while a member types; at most 25 are shown. */
  readonly complete?: (typed: string, context: CommandContext, channel: Channel) => Promise<readonly string[]>;
}

export interface SubcommandData {
  readonly name: string;
  readonly description: string;
  readonly options: readonly OptionData[];
}

/** `/krona <name> …`; with `actions`, `/krona <name> <action> …`. */
export interface CommandData extends SubcommandData {
  readonly actions?: readonly SubcommandData[];
  /** One line as a member would type it, for help. */
  readonly example: string;
}

export interface Invocation {
  readonly channel: Channel;
  readonly member: Member;
  /** May delete other members' subjects, adapters and sets. */
  readonly moderator: boolean;
  /** The chosen action, '' when the command has none. */
  readonly action: string;
  /** By option name; text as typed, numbers parsed by the gateway only where the platform does so. */
  readonly options: Readonly<Record<string, string | number | boolean>>;
  readonly attachments: readonly Attachment[];
}

/** What commands may use. */
export interface CommandContext {
  readonly records: RecordStore;
  readonly blobs: BlobStore;
  readonly jobs: JobQueue;
}

export interface Command {
  readonly data: CommandData;
  /** Validates, writes in one transaction, answers. @throws KronaError for anything the member can mend. */
  run(invocation: Invocation, context: CommandContext): Promise<Card>;
}
