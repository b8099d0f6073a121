/** @file Reads what a living card shows. Delivery calls it whenever the record has changed. */
import { resolvePrompt } from '../../storage/prompt.ts';
import type { Records, PictureSet, Run } from '../../storage/records/contract.ts';
import type { Card } from '../card.ts';
import type { CommandContext } from '../contract.ts';
import { runCard, type RunCardSource } from './run-card.ts';
import { setCard, type SetCardSource } from './set-card.ts';

async function nameOf(records: Records, memberId: string): Promise<string> {
  return (await records.members([memberId]))[0]?.name ?? 'a member who left';
}

/** A place in the queue while a record waits; asking costs a look into the queue, so only then. */
async function positionOf(record: Run | PictureSet, kind: 'train' | 'imagine', context: CommandContext) {
  return record.state === 'queued' ? context.jobs.position(kind, record.id) : null;
}

async function runSource(run: Run, context: CommandContext): Promise<RunCardSource | null> {
  const { records } = context;
  const subject = await records.subject(run.subjectId);
  if (!subject) return null;
  const adapters = await records.adapters(run.channelId);
  const sets = [];
  for (const set of await records.setsOfRun(run.id))
    sets.push({ set, pictures: await records.pictures(set.id), facts: await records.voteFacts(set.id) });
  return {
    run,
    subject,
    memberName: await nameOf(records, run.memberId),
    adapters: adapters.filter((adapter) => adapter.runId === run.id),
    sets,
    position: await positionOf(run, 'train', context),
  };
}

/** What cards about a set are made of. */
export async function setSource(set: PictureSet, context: CommandContext): Promise<SetCardSource> {
  const { records } = context;
  return {
    set,
    pictures: await records.pictures(set.id),
    facts: await records.voteFacts(set.id),
    memberName: await nameOf(records, set.memberId),
    resolved: resolvePrompt(set.prompt, await records.subjects(set.channelId), set.subjectId),
    adapter: set.adapterId === null ? null : await records.adapter(set.adapterId),
    position: await positionOf(set, 'imagine', context),
  };
}

function goneCard(kind: 'run' | 'set'): Card {
  return { tone: 'info', title: kind === 'run' ? 'This run was deleted' : 'These pictures were deleted' };
}

/** The card of a run or set as it is now; a card that says so when it was deleted. */
export async function loadCard(kind: 'run' | 'set', id: string, context: CommandContext): Promise<Card> {
  if (kind === 'run') {
    const run = await context.records.run(id);
    const source = run && (await runSource(run, context));
    return source ? runCard(source) : goneCard('run');
  }
  const set = await context.records.set(id);
  return set ? setCard(await setSource(set, context)) : goneCard('set');
}
