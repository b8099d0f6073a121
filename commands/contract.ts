/** @file What a command is. One file a command; gateways register, complete and call them all alike. */
import type { BlobStore } from '../storage/blobs/contract.ts';
import type { JobQueue } from '../storage/jobs/contract.ts';
import type { Channel, Member } from '../core/records.ts';
import type { RecordStore } from '../storage/records.ts';
import type { Right } from '../core/rules.ts';
import type { Value, ValueOf, ValueSpec } from '../core/values.ts';
import type { Card } from './card.ts';

/** A file that came with a command. Nothing is fetched or read before the command asks for it. */
export interface Attachment {
  /** The option that it was given to, where the platform says it. */
  readonly option?: string;
  readonly fileName: string;
  /** Bytes, as the platform claims. */
  readonly size: number;
  /** @throws KronaError ATTACHMENT_GONE, ATTACHMENT_TOO_LARGE */
  read(): Promise<Uint8Array>;
}

export interface OptionData extends Omit<ValueSpec, 'type'> {
  readonly description: string;
  /** `photos`: up to ten files; `picture`: one. */
  readonly type: ValueSpec['type'] | 'photos' | 'picture';
  readonly required?: boolean;
  /** Names members or roles: gateways leave mentions in it with their ids; elsewhere they are only names. */
  readonly mentions?: boolean;
  /** Takes every word that belongs to no other option where a command is typed as text; at most one a command. */
  readonly freeText?: boolean;
  /** Where a command is typed as text, words without a key never belong to it. */
  readonly keyed?: boolean;
  /** Suggestions while a member types; at most 25 are shown. */
  readonly complete?: (
    typed: string,
    context: CommandContext,
    channel: Channel,
  ) => Promise<readonly string[]>;
}

/** Values by option name, of types that their options declare. */
export type OptionValues = Readonly<Record<string, Value>>;

/** The values of declared options, each with its own type; undefined where an option was not given. */
export type ValuesOf<Options extends readonly OptionData[]> = {
  readonly [
    Option in Options[number] as Option extends { readonly type: 'photos' | 'picture' }
      ? never
      : Option['name']
  ]: ValueOf<Option> | (Option extends { readonly required: true } ? never : undefined);
};

export interface SubcommandData {
  readonly name: string;
  readonly description: string;
  readonly options: readonly OptionData[];
  /** Who can use it: members with this right in the channel, or only moderators. Default: everybody who isn't blocked. */
  readonly needs?: Right | 'moderator';
  /** True for what even a blocked member may use. */
  readonly openToBlocked?: boolean;
  /** Only where commands are typed as text, and in no list: another way to say what other actions say. */
  readonly typedOnly?: boolean;
}

/** `/krona <name> …`; with `actions` (and then no options of its own), `/krona <name> <action> …`. */
export interface CommandData extends SubcommandData {
  readonly actions?: readonly SubcommandData[];
  /** It also makes sense alone with Krona, in direct messages. Default false. */
  readonly direct?: boolean;
  /** One line as a member would type it, for help. */
  readonly example: string;
}

/** Who does something where: all that a permission depends on. */
export interface Actor {
  readonly channel: Channel;
  readonly member: Member;
  /** May delete other members' subjects, adapters and sets. */
  readonly moderator: boolean;
  /** Manages the whole server or workspace, and sets its rules. Default false. */
  readonly manager?: boolean;
  /** The channel is a conversation of the member alone with Krona. Default false. */
  readonly direct?: boolean;
  /** Ids of the member's roles at the platform. */
  readonly roles: readonly string[];
}

export interface Invocation<Options = OptionValues> extends Actor {
  /** The chosen action, '' when the command has none. */
  readonly action: string;
  /**
   * By option name. Gateways give text as typed, and numbers where the platform parses them;
   * `runCommand` checks them, so a command sees the type that its option declares.
   */
  readonly options: Options;
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
