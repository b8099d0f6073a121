/** @file Reads the records of a card. Delivery calls it whenever the record of a post changes. */
import { resolvePrompt } from '../../core/prompt.ts';
import { adaptersOf, subjectsOf } from '../../storage/set-adapters.ts';
import type { JobKind } from '../../core/job-payloads.ts';
import type { Duel, Picture, PictureSet, PostKind, Ranking, Run } from '../../core/records.ts';
import type { Records } from '../../storage/records.ts';
import type { Card } from '../card.ts';
import type { CommandContext } from '../contract.ts';
import { modelTitle } from '../models/known-models.ts';
import { pullCard } from '../models/pull-card.ts';
import { sideOf, tallyOf } from '../votes/duel-trials.ts';
import { rankPictures, type RankedPicture } from '../votes/ranking.ts';
import { championCard } from './champion-card.ts';
import { duelCard, verdictCard, type DuelCardSource } from './duel-card.ts';
import { memberNames } from './member-names.ts';
import { rankingCard } from './ranking-card.ts';
import { runCard, type RunCardSource } from './run-card.ts';
import { setCard, type SetCardSource } from './set-card.ts';
import { sweepCard } from './sweep-card.ts';

async function nameOf(records: Records, memberId: string): Promise<string> {
  return (await memberNames(records, [memberId]))(memberId);
}

/** The place in the queue, null unless the record is queued: only then is the queue read. */
async function positionOf(record: Run | PictureSet, kind: JobKind, context: CommandContext) {
  return record.state === 'queued' ? context.jobs.position(kind, record.id) : null;
}

/** Reads what cards about a run show; null when its subject was deleted. */
export async function runSource(run: Run, context: CommandContext): Promise<RunCardSource | null> {
  const { records } = context;
  const subject = await records.subject(run.subjectId);
  if (!subject) return null;
  const adapters = await records.adapters(run.channelId);
  const sets = [];
  for (const set of await records.setsOfRun(run.id))
    sets.push({
      set,
      pictures: await records.pictures(set.id),
      held: await records.heldPictures(set.id),
    });
  return {
    run,
    subject,
    memberName: await nameOf(records, run.memberId),
    adapters: adapters.filter((adapter) => adapter.runId === run.id),
    sets,
    position: await positionOf(run, run.sweep === null ? 'train' : 'sweep', context),
  };
}

/** Reads what cards about a set show. */
export async function setSource(set: PictureSet, context: CommandContext): Promise<SetCardSource> {
  const { records } = context;
  const duel = set.duelId === null ? null : await records.duel(set.duelId);
  const adapters = await adaptersOf(duel === null ? set : drawnBy(duel, set), records);
  return {
    set,
    duel,
    pictures: await records.pictures(set.id),
    held: await records.heldPictures(set.id),
    preview: set.state === 'running' ? await records.preview(set.id) : null,
    facts: await records.voteFacts(set.id),
    memberName: await nameOf(records, set.memberId),
    resolved: resolvePrompt(set.prompt, await records.subjects(set.channelId), subjectsOf(set, adapters)),
    adapters,
    position: await positionOf(set, 'imagine', context),
  };
}

/** The adapters of a pair in the order of its pictures, once nobody can vote any more. */
function drawnBy({ state, firstId, secondId, swapped }: Duel, { duelPlace }: PictureSet) {
  if (state === 'open') return { adapterId: null, alsoAdapterIds: [] };
  const [left, right] = swapped[duelPlace ?? 0] ? [secondId, firstId] : [firstId, secondId];
  return { adapterId: left, alsoAdapterIds: right === null ? [] : [right] };
}

const GONE: Readonly<Record<PostKind, string>> = {
  run: 'This training was deleted',
  set: 'These pictures were deleted',
  champion: 'This adapter was deleted',
  ranking: 'This ranking is empty',
  duel: 'This duel was deleted',
  verdict: 'This duel was deleted',
  pull: 'This download was deleted',
};

/** Replaces a card whose record was deleted. @param how - who deleted it: `By a moderator.` */
export function goneCard(kind: PostKind, how?: string): Card {
  return { tone: 'info', title: GONE[kind], ...(how !== undefined && { text: [how] }) };
}

async function championSource(id: string, { records }: CommandContext) {
  const change = await records.championChange(id);
  const subject = change && (await records.subject(change.subjectId));
  const adapter = change?.adapterId ? await records.adapter(change.adapterId) : null;
  if (!change || !subject || !adapter) return null;
  const picture = change.pictureId === null ? null : await records.picture(change.pictureId);
  return { subject, adapter, reason: change.reason ?? '', picture };
}

/** Pictures on the message of a duel's result. */
const BEST_OF_DUEL = 4;

/** The winner's pictures, those with the most votes first. */
async function bestOfDuel(duel: Duel, records: Records): Promise<Picture[]> {
  const { winner } = tallyOf(duel.trials);
  if (duel.state !== 'decided' || winner === null) return [];
  const setAt = new Map((await records.setsOfDuel(duel.id)).map((set) => [set.duelPlace, set]));
  const won = duel.trials
    .filter((trial) => trial.winner === winner)
    .toSorted((a, b) => b.votes[winner] - a.votes[winner])
    .slice(0, BEST_OF_DUEL);
  const best: Picture[] = [];
  for (const { place } of won) {
    const set = setAt.get(place);
    const pictures = set === undefined ? [] : await records.pictures(set.id);
    best.push(...pictures.filter(({ index }) => sideOf(duel, place, index) === winner));
  }
  return best;
}

async function judgesSweep({ runId }: Duel, records: Records): Promise<boolean> {
  return runId !== null && ((await records.run(runId))?.sweep ?? null) !== null;
}

/** The winner's id; not null's, which deleted adapters have. */
function wonBy({ state, trials, firstId, secondId }: Duel): string | undefined {
  const { winner } = tallyOf(trials);
  if (state !== 'decided' || winner === null) return undefined;
  return (winner === 'first' ? firstId : secondId) ?? undefined;
}

async function duelSource(id: string, { records }: CommandContext): Promise<DuelCardSource | null> {
  const duel = await records.duel(id);
  const subject = duel && (await records.subject(duel.subjectId));
  if (duel === null || subject === null) return null;
  const { firstId, secondId } = duel;
  const changes = await records.championChanges(subject.id);
  return {
    duel,
    subject,
    memberName: await nameOf(records, duel.memberId),
    first: firstId === null ? null : await records.adapter(firstId),
    second: secondId === null ? null : await records.adapter(secondId),
    best: await bestOfDuel(duel, records),
    sweeps: await judgesSweep(duel, records),
    crowned:
      duel.runId !== null &&
      changes.some(({ cause, adapterId }) => cause === 'duel' && adapterId === wonBy(duel)),
  };
}

async function pullCardOf(id: string, { records, jobs }: CommandContext): Promise<Card> {
  const pull = await records.pull(id);
  if (pull === null) return goneCard('pull');
  return pullCard({
    pull,
    title: await modelTitle(records, pull.model),
    memberName: await nameOf(records, pull.memberId),
    position: pull.state === 'queued' ? await jobs.position('pull', id) : null,
  });
}

/** Returns a ranking with the current votes. */
async function rankingOf(id: string, { records }: CommandContext): Promise<Card> {
  const ranking = await records.ranking(id);
  const ranked = ranking === null ? [] : await ranksOf(ranking, records);
  return ranked.length === 0 ? goneCard('ranking') : rankedCard(id, ranked, records);
}

async function ranksOf({ channelId, pictureIds }: Ranking, records: Records): Promise<RankedPicture[]> {
  const votes = await records.standingVotes(channelId, { pictureIds });
  return rankPictures(votes).filter(({ picture }) => pictureIds.includes(picture.id));
}

/** Returns the card of ranked pictures. @param id - of the ranking's record */
export async function rankedCard(
  id: string,
  ranked: readonly RankedPicture[],
  records: Records,
): Promise<Card> {
  const ids = ranked.map(({ set }) => set.memberId);
  return rankingCard(id, ranked, await memberNames(records, ids));
}

/** Returns the current card of a post; `goneCard` when the record was deleted. */
export async function loadCard(kind: PostKind, id: string, context: CommandContext): Promise<Card> {
  if (kind === 'champion') {
    const source = await championSource(id, context);
    return source
      ? championCard(source.subject, source.adapter, source.reason, source.picture)
      : goneCard(kind);
  }
  if (kind === 'ranking') return rankingOf(id, context);
  if (kind === 'duel' || kind === 'verdict') {
    const source = await duelSource(id, context);
    if (source === null) return goneCard(kind);
    return kind === 'duel' ? duelCard(source) : verdictCard(source);
  }
  if (kind === 'pull') return pullCardOf(id, context);
  if (kind === 'run') {
    const run = await context.records.run(id);
    const source = run && (await runSource(run, context));
    if (!source) return goneCard('run');
    return run.sweep === null ? runCard(source) : sweepCard(source, run.sweep);
  }
  const set = await context.records.set(id);
  return set ? setCard(await setSource(set, context)) : goneCard('set');
}
