/** @file A channel's rules for pictures, as the worker applies them. */
import { safetyIn } from '../../core/rules.ts';
import type { WorkerContext } from './context.ts';

export type PictureRules = Awaited<ReturnType<typeof rulesOf>>;

/** The channel's rules for pictures: unsafe are those whose score is above `above`. */
export async function rulesOf(
  { records, model }: Pick<WorkerContext, 'records' | 'model'>,
  channelId: string,
) {
  const rules = await records.rules(channelId);
  const channel = await records.channelById(channelId);
  if (channel === null) throw new Error(`no channel ${channelId}`);
  const { safetyPercent, parameters } = rules;
  return { safety: safetyIn(rules, channel, model), above: safetyPercent / 100, parameters };
}
