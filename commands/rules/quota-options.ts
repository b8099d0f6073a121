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
  ['member', 'trainings', 'member_trainings', 'Trainings a member can start in 24 hours'],
  ['member', 'pictures', 'member_pictures', 'Pictures a member can request in an hour'],
  ['member', 'open', 'member_open', 'Jobs of a member queued or running at once'],
  ['channel', 'trainings', 'channel_trainings', 'Trainings of the channel in 24 hours'],
  ['channel', 'pictures', 'channel_pictures', 'Pictures of the channel in an hour'],
  ['channel', 'open', 'channel_open', 'Jobs of the channel queued or running at once'],
] as const satisfies readonly QuotaOption<keyof ChannelRules>[];

export const SERVER_QUOTAS = [
  [
    'member',
    'trainings',
    'server_member_trainings',
    'Trainings a member can start in 24 hours, whole server',
  ],
  ['member', 'pictures', 'server_member_pictures', 'Pictures a member can request in an hour, whole server'],
  ['member', 'open', 'server_member_open', 'Jobs of a member queued or running, whole server'],
  ['server', 'trainings', 'server_trainings', 'Trainings of the whole server in 24 hours'],
  ['server', 'pictures', 'server_pictures', 'Pictures of the whole server in an hour'],
  ['server', 'open', 'server_open', 'Jobs of the whole server queued or running at once'],
] as const satisfies readonly QuotaOption<keyof ServerRules>[];

const limit = (value: number | null): string => (value === null ? 'no limit' : String(value));

/** The options that set quotas. */
export const quotaOptions: readonly OptionData[] = [...CHANNEL_QUOTAS, ...SERVER_QUOTAS].map(
  ([, , name, description]) => ({
    name,
    description: `${description} (0 = no limit)`,
    type: 'integer',
    min: 0,
    max: 100_000,
  }),
);

/** Rows of a table of rules. */
export function quotaRows<Whose extends string>(
  quotas: readonly QuotaOption<Whose>[],
  rules: Readonly<Record<Whose, Quota>>,
): string[][] {
  return quotas.map(([whose, quota, , description]) => [
    description.toLowerCase(),
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
    what.push(`${description.toLowerCase()}: ${limit(old)} → ${limit(value)}`);
  }
  return { rules, what };
}
