/**
 * @file Takes a duel further: closes pairs that have their votes, posts the next ones, and ends it. All that it goes by
 * is in the records, so it can be called at any time, by any process, as often as one likes.
 */
import { randomUUID } from 'node:crypto';
import { groupBy } from '../../core/group.ts';
import type { Duel, PictureSet, StandingVote, Trial, VoteFact } from '../../core/records.ts';
import { nthSeed } from '../../core/seeds.ts';
import { hasEnded } from '../../core/work-state.ts';
import type { RecordStore, Records } from '../../storage/records.ts';
import { needsTraining } from '../cards/set-card.ts';
import { adapterName } from '../subjects/subjects.ts';
import { LONGEST_DAYS, OPEN_PAIRS } from './duel-bounds.ts';
import { closedTrial, tallyOf } from './duel-trials.ts';

/** Pairs that can't be drawn before a duel is given up, and those that lost a picture one after the other. */
const MOST_FAILURES = 3;

type End = Pick<Duel, 'reason'> & { readonly state: Exclude<Duel['state'], 'open'> };

/** Does nothing when the duel has ended or was deleted. */
export async function advanceDuel(records: RecordStore, id: string): Promise<void> {
  await records.transaction(async (within) => {
    const duel = await within.duel(id);
    if (duel?.state !== 'open') return;
    const sets = await within.setsOfDuel(id);
    const closed = await closedNow(within, duel, sets);
    const trials = [...duel.trials, ...closed];
    const end = endOf({ ...duel, trials }, sets);
    if (end !== null) {
      await endDuel(within, { ...duel, trials }, end, sets);
      return;
    }
    const posted = await postPairs(within, duel, trials.length);
    if (closed.length > 0 || posted > duel.posted) await within.updateDuel(id, { trials, posted });
    else await within.duelLookedAt(id);
  });
}

/** Ends an open duel because a member wants it. */
export async function cancelDuel(records: Records, duel: Duel, reason: string): Promise<void> {
  await endDuel(records, duel, { state: 'cancelled', reason }, await records.setsOfDuel(duel.id));
}

/** Of each member and picture, the reactions that stand. @param facts oldest first */
function standing(facts: readonly VoteFact[]): StandingVote[] {
  const last = new Map(facts.map((fact) => [`${fact.pictureId} ${fact.memberId} ${fact.emoji}`, fact]));
  return [...last.values()].filter(({ added }) => added);
}

async function closedNow(records: Records, duel: Duel, sets: readonly PictureSet[]): Promise<Trial[]> {
  const done = new Set(duel.trials.map(({ place }) => place));
  const open = Array.from({ length: duel.posted }, (_, place) => place).filter((place) => !done.has(place));
  const setAt = new Map(sets.map((set) => [set.duelPlace, set]));
  const votes = groupBy(
    await records.voteFacts(...open.flatMap((place) => setAt.get(place)?.id ?? [])),
    ({ setId }) => setId,
  );
  const closed: Trial[] = [];
  for (const place of open) {
    const set = setAt.get(place);
    const pictures = set === undefined ? [] : await records.pictures(set.id);
    const trial = closedTrial(duel, place, set, pictures, standing(votes.get(set?.id ?? '') ?? []));
    if (trial !== null) closed.push(trial);
  }
  return closed;
}

function endOf(duel: Duel, sets: readonly PictureSet[]): End | null {
  if (duel.firstId === null || duel.secondId === null)
    return { state: 'stopped', reason: 'One of its adapters was deleted.' };
  if (tallyOf(duel.trials).winner !== null) return { state: 'decided', reason: null };
  const failed = sets.filter(({ state }) => state === 'failed');
  const hopeless = failed.find(needsTraining) ?? (failed.length >= MOST_FAILURES ? failed.at(-1) : undefined);
  if (hopeless !== undefined)
    return { state: 'stopped', reason: hopeless.failure?.message ?? 'Its pictures can’t be drawn.' };
  const last = duel.trials.slice(-MOST_FAILURES);
  // Nobody needs to vote for such pairs to follow each other.
  if (last.length === MOST_FAILURES && last.every(({ votes }) => votes.first + votes.second === 0))
    return {
      state: 'stopped',
      reason: `${MOST_FAILURES} pairs one after the other lost a picture: deleted, cancelled or held back.`,
    };
  if (duel.trials.length === duel.prompts.length)
    return { state: 'undecided', reason: `All ${duel.prompts.length} pairs are used up.` };
  if (duel.endsAt.getTime() <= Date.now())
    return { state: 'undecided', reason: `Its ${LONGEST_DAYS} days are over.` };
  return null;
}

async function endDuel(records: Records, duel: Duel, end: End, sets: readonly PictureSet[]): Promise<void> {
  const stayed = await crownWinner(records, duel, end);
  await records.updateDuel(duel.id, {
    trials: duel.trials,
    state: end.state,
    reason: stayed ?? end.reason,
    endedAt: new Date(),
  });
  // The worker sees within a step that a set has ended.
  for (const set of sets)
    if (!hasEnded(set)) await records.updateSet(set.id, { state: 'cancelled', endedAt: new Date() });
  await records.addPost({
    id: randomUUID(),
    channelId: duel.channelId,
    kind: 'verdict',
    targetId: duel.id,
  });
}

/** A refinement or a sweep's finalist that won becomes the champion. @returns why it doesn't, though it won */
async function crownWinner(records: Records, duel: Duel, { state }: End): Promise<string | null> {
  const run = duel.runId === null || state !== 'decided' ? null : await records.run(duel.runId);
  if (run === null) return null;
  return run.sweep === null ? crownRefined(records, duel) : crownFinalist(records, duel);
}

async function crownRefined(records: Records, duel: Duel): Promise<string | null> {
  const { firstId, trials } = duel;
  const tally = tallyOf(trials);
  if (tally.winner !== 'first' || firstId === null) return null;
  const subject = await records.subject(duel.subjectId);
  const adapter = await records.adapter(firstId);
  if (subject === null || adapter === null) return null;
  const stays = `so ${adapterName(subject, adapter)} stays an adapter beside it.`;
  if (subject.championId !== duel.secondId) return `The champion changed during the duel, ${stays}`;
  if (subject.championPinned) return `The champion is pinned, ${stays}`;
  const reason = `It won ${tally.wins} of ${tally.wins + tally.losses} pairs of a blind duel against the previous champion`;
  await records.changeChampion(
    { id: randomUUID(), subjectId: subject.id, adapterId: firstId, cause: 'duel', reason },
    false,
  );
  return null;
}

/** The winner's factors and rate become the channel's settings, also where a pinned champion stays. */
async function crownFinalist(records: Records, duel: Duel): Promise<string | null> {
  const { winner, wins, losses } = tallyOf(duel.trials);
  const adapterId = winner === 'first' ? duel.firstId : duel.secondId;
  const adapter = adapterId === null ? null : await records.adapter(adapterId);
  const subject = await records.subject(duel.subjectId);
  const channel = await records.channelById(duel.channelId, adapter?.model);
  if (adapter === null || subject === null || channel === null) return null;
  const { method, a1, a2, lr } = adapter.settings;
  await records.saveSettings(channel.id, { ...channel.settings, method, a1, a2, lr }, adapter.model);
  await records.addAudit({
    channelId: channel.id,
    memberId: null,
    action: 'settings',
    details: `method: ${method}, a1: ${a1}, a2: ${a2}, lr: ${lr} (votes, after a sweep of ${subject.name})`,
  });
  if (subject.championPinned)
    return `The champion is pinned, so ${adapterName(subject, adapter)} stays an adapter beside it.`;
  const share = winner === 'first' ? wins : losses;
  const reason = `It won ${share} of ${wins + losses} pairs of a blind duel between the finalists of a sweep`;
  await records.changeChampion(
    { id: randomUUID(), subjectId: subject.id, adapterId: adapter.id, cause: 'duel', reason },
    false,
  );
  return null;
}

/** Requests pairs until enough are open. @param closed how many are @returns how many were requested in all */
async function postPairs(records: Records, duel: Duel, closed: number): Promise<number> {
  const until = Math.min(duel.prompts.length, closed + OPEN_PAIRS);
  const { id: duelId, channelId, memberId, subjectId, settings } = duel;
  const rival = duel.firstId === null ? null : await records.adapter(duel.firstId);
  for (const [place, prompt] of duel.prompts.entries()) {
    if (place < duel.posted || place >= until) continue;
    const { id } = await records.addSet({
      id: randomUUID(),
      kind: 'duel',
      channelId,
      memberId,
      subjectId,
      settings,
      ...(rival && { model: rival.model }),
      duelId,
      duelPlace: place,
      runId: null,
      prompt,
      negative: null,
      seed: nthSeed(duel.seed, place),
      count: 2,
      strength: 1,
      // Both adapters are the duel's: the set tells of none.
      adapterId: null,
      state: 'queued',
    });
    await records.addPost({ id: randomUUID(), channelId, kind: 'set', targetId: id });
    await records.addOutboxJob({ id, kind: 'imagine', payload: { setId: id } });
    const usage = { targetId: id, amount: 2 };
    await records.addAudit({
      channelId,
      memberId,
      action: 'imagine',
      details: `duel: ${prompt} (2 pictures)`,
      ...usage,
    });
  }
  return Math.max(duel.posted, until);
}
