/** @file The quotas that moderators and managers set, as options of `/krona rules set`. */
import type { ChannelRules, Quota, ServerRules } from '../../core/rules.ts';
import type { Invocation, OptionData } from '../contract.ts';
import { numberOption } from '../line/options.ts';

/** Whose quota, which, the option's name and what it limits. */
type QuotaOption<Whose extends string> = readonly [
  whose: Whose,
  quota: keyof Quota,
  name: string,
  description: string,
];

export const CHANNEL_QUOTAS = [
  ['member', 'trainings', 'member_trainings', 'Trainings of a member in 24 hours'],
  ['member', 'pictures', 'member_pictures', 'Pictures of a member in an hour'],
  ['member', 'open', 'member_open', 'Open jobs of a member'],
  ['member', 'photos', 'member_photos', 'Photos of a member in 24 hours'],
  ['member', 'storage', 'member_storage', 'Storage of a member, MiB'],
  ['channel', 'trainings', 'channel_trainings', 'Trainings of the channel in 24 hours'],
  ['channel', 'pictures', 'channel_pictures', 'Pictures of the channel in an hour'],
  ['channel', 'open', 'channel_open', 'Open jobs of the channel'],
  ['channel', 'photos', 'channel_photos', 'Photos of the channel in 24 hours'],
  ['channel', 'storage', 'channel_storage', 'Storage of the channel, MiB'],
] as const satisfies readonly QuotaOption<keyof ChannelRules>[];

export const SERVER_QUOTAS = [
  ['member', 'trainings', 'server_member_trainings', 'Server: trainings of a member in 24 hours'],
  ['member', 'pictures', 'server_member_pictures', 'Server: pictures of a member in an hour'],
  ['member', 'open', 'server_member_open', 'Server: open jobs of a member'],
  ['member', 'photos', 'server_member_photos', 'Server: photos of a member in 24 hours'],
  ['member', 'storage', 'server_member_storage', 'Server: storage of a member, MiB'],
  ['server', 'trainings', 'server_trainings', 'Server: trainings in 24 hours'],
  ['server', 'pictures', 'server_pictures', 'Server: pictures in an hour'],
  ['server', 'open', 'server_open', 'Server: open jobs'],
  ['server', 'photos', 'server_photos', 'Server: photos in 24 hours'],
  ['server', 'storage', 'server_storage', 'Server: storage, MiB'],
] as const satisfies readonly QuotaOption<keyof ServerRules>[];

const limit = (value: number | null): string => (value === null ? 'no limit' : String(value));

/** As it continues a sentence. */
const uncapitalised = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

/** The options that set quotas. */
export const quotaOptions: readonly OptionData[] = [...CHANNEL_QUOTAS, ...SERVER_QUOTAS].map(
  ([, , name, description]) => ({
    name,
    description,
    type: 'integer',
    min: 0,
    max: 1_000_000,
  }),
);

/** Rows of a table of rules. */
export function quotaRows<Whose extends string>(
  quotas: readonly QuotaOption<Whose>[],
  rules: Readonly<Record<Whose, Quota>>,
): string[][] {
  return quotas.map(([whose, quota, , description]) => [
    uncapitalised(description),
    limit(rules[whose][quota]),
  ]);
}

/** Returns rules with the quotas that an invocation sets, and what was changed, for people. */
export function withQuotas<Whose extends string, Rules extends Readonly<Record<Whose, Quota>>>(
  quotas: readonly QuotaOption<Whose>[],
  before: Rules,
  invocation: Invocation,
): { readonly rules: Rules; readonly what: readonly string[] } {
  let rules = before;
  const what: string[] = [];
  for (const [whose, quota, name, description] of quotas) {
    const given = numberOption(invocation, name);
    if (given === undefined) continue;
    const value = given === 0 ? null : given;
    const old = before[whose][quota];
    if (value === old) continue;
    rules = { ...rules, [whose]: { ...rules[whose], [quota]: value } };
    what.push(`${uncapitalised(description)}: ${limit(old)} → ${limit(value)}`);
  }
  return { rules, what };
}
