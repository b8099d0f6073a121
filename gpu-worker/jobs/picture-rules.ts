/** @file A channel's rules for pictures, as the worker applies them. */
import { isOnlyEnlarged } from '../../core/pictures/enlarged-size.ts';
import type { PictureSet } from '../../core/records.ts';
import { safetyIn } from '../../core/rules.ts';
import type { WorkerContext } from './context.ts';

type Context = Pick<WorkerContext, 'records' | 'model'>;

export type PictureRules = Awaited<ReturnType<typeof rulesOf>>;

/** The rules of a set's channel for its pictures: unsafe are those whose score is above `above`. */
export const rulesOfSet = ({ records, model }: Context, set: PictureSet) =>
  // A small model's pictograms need no check; a photo does.
  rulesOf({ records, model: isOnlyEnlarged(set) ? null : model }, set.channelId);

/** A channel's rules for pictures of a model; null: for any picture. */
export async function rulesOf(
  { records, model }: { records: Context['records']; model: Context['model'] | null },
  channelId: string,
) {
  const rules = await records.rules(channelId);
  const channel = await records.channelById(channelId);
  if (channel === null) throw new Error(`no channel ${channelId}`);
  const { safetyPercent, parameters } = rules;
  return { safety: safetyIn(rules, channel, model), above: safetyPercent / 100, parameters };
}
