/**
 * @file `/krona sweep`: trains a grid of factors and learning rates; members choose between the two best. The command
 * only says what that takes; a button starts it.
 */
import { KronaError } from '../../core/errors.ts';
import { hasEnded } from '../../core/work-state.ts';
import { cellName, FINALISTS } from '../../core/sweep-plan.ts';
import type { Card } from '../card.ts';
import { loadCard } from '../cards/load-card.ts';
import { askCard } from '../cards/sweep-card.ts';
import type { Actor, CommandContext } from '../contract.ts';
import { command } from '../define.ts';
import { photoPrompts } from '../photos/photo-captions.ts';
import { admitWork } from '../rules/guard.ts';
import { requireOwner } from '../rules/permission.ts';
import { settingOption } from '../settings/setting-options.ts';
import { completeSubject } from '../subjects/subjects.ts';
import { planSweep, type AskedSweep, type PlannedSweep } from './sweep-plan.ts';
import { startRun } from './work.ts';

/** Longest list of values. */
const MAX_LIST = 120;
/** Largest question, bytes: a button that was not made here can name any file. */
const MOST_ASK = 4096;

/** What the button starts: a blob that no record refers to, so it is deleted after a day. */
interface KeptAsk extends AskedSweep {
  readonly channelId: string;
  readonly memberId: string;
}

/** The axes as text, so that they stay as they were confirmed if the channel's settings change. */
function keptAsk({ channel, member }: Actor, { subject, axes, settings }: PlannedSweep): KeptAsk {
  return {
    channelId: channel.id,
    memberId: member.id,
    subject: subject.name,
    a1: axes.a1.join(','),
    a2: axes.a2.join(','),
    lr: axes.lr.join(','),
    steps: settings.steps,
  };
}

const list = (name: 'a1' | 'a2' | 'lr', description: string) =>
  ({ name, description, type: 'text', maxLength: MAX_LIST }) as const;

export const sweep = command(
  {
    name: 'sweep',
    description: 'Train a grid of settings; votes choose between the two best',
    example: '/krona sweep mochi a1:2,4,8 a2:8,16 lr:1e-3,2e-3',
    options: [
      {
        name: 'subject',
        description: 'Subject to train',
        type: 'text',
        required: true,
        complete: completeSubject,
      },
      list('a1', 'Values, such as 2,4,8'),
      list('a2', 'Values, such as 8,16'),
      list('lr', 'Values, such as 1e-3,2e-3'),
      settingOption('steps'),
    ],
    needs: 'train',
  },

  async (invocation, { records, blobs }) => {
    const plan = await planSweep(records, invocation, invocation.options);
    const { subject, trainings } = plan;
    await admitWork(records, invocation, { kind: 'train', trainings }, [subject.name, subject.className]);
    const { hash } = await blobs.put(Buffer.from(JSON.stringify(keptAsk(invocation, plan))));
    return askCard(plan, `sweep:${hash}`);
  },
);

/** @throws KronaError GONE */
async function readAsk(
  hash: string,
  { channel, member }: Actor,
  { blobs }: CommandContext,
): Promise<KeptAsk> {
  const gone = new KronaError('GONE', 'This question is no longer open. Ask again with `/krona sweep`.');
  try {
    const { size } = (await blobs.stat(hash)) ?? { size: Infinity };
    if (size > MOST_ASK) throw gone;
    const ask = JSON.parse(Buffer.from(await blobs.get(hash)).toString()) as Partial<KeptAsk>;
    const { subject, a1, a2, lr, steps, channelId, memberId } = ask;
    if (channelId !== channel.id || memberId !== member.id || typeof subject !== 'string') throw gone;
    return { subject, a1, a2, lr, steps, channelId, memberId };
  } catch (error) {
    if (error instanceof KronaError && error.retryable) throw error;
    throw gone;
  }
}

/** Starts a sweep that a member was told about, after the same checks. @throws KronaError GONE; as planSweep */
export async function startSweep(hash: string, actor: Actor, context: CommandContext): Promise<Card> {
  const ask = await readAsk(hash, actor, context);
  const { id } = await context.records.transaction(async (records) => {
    const { subject, photos, cells, settings, trainings } = await planSweep(records, actor, ask);
    return startRun(records, actor, subject, {
      settings,
      photoHashes: photos.map(({ blobHash }) => blobHash),
      photoPrompts: await photoPrompts(records, subject, photos),
      sweep: {
        cells: cells.map((cell) => ({ ...cell, score: null, dropped: false })),
        finalists: [],
        kept: null,
      },
      trainings,
    });
  });
  return loadCard('run', id, context);
}

/**
 * Cancels one cell of a sweep. The worker stops training it within seconds.
 *
 * @param part - `<id of the run>.<place of the cell>`
 * @throws KronaError GONE, NOT_ALLOWED, WORK_ENDED, SWEEP_LAST
 */
export async function dropCell(part: string, actor: Actor, { records }: CommandContext): Promise<Card> {
  const [, id = '', place = ''] = /^([^.]+)\.(\d+)$/.exec(part) ?? [];
  const cell = await records.transaction(async (within) => {
    const run = id === '' ? null : await within.run(id);
    const found = run?.sweep?.cells[Number(place)];
    if (run?.channelId !== actor.channel.id || !run.sweep || found === undefined)
      throw new KronaError('GONE', 'This cell was deleted.');
    requireOwner(actor, [run.memberId], 'cancel this cell');
    if (hasEnded(run)) throw new KronaError('WORK_ENDED', 'This sweep has already ended.');
    if (run.sweep.finalists.length > 0)
      throw new KronaError(
        'WORK_ENDED',
        'All cells are trained, and the two best are chosen. Members now choose between them.',
      );
    if (found.dropped) throw new KronaError('WORK_ENDED', `${cellName(found)} is already cancelled.`);
    if (run.sweep.cells.filter(({ dropped }) => !dropped).length <= FINALISTS)
      throw new KronaError(
        'SWEEP_LAST',
        `Only ${FINALISTS} cells are left, between which members choose. Cancel the sweep instead.`,
      );
    const cells = run.sweep.cells.map((each) => (each === found ? { ...each, dropped: true } : each));
    await within.updateRun(id, { sweep: { ...run.sweep, cells } });
    return found;
  });
  return {
    tone: 'success',
    title: `Cancelled: ${cellName(cell)}`,
    text: ['The sweep goes on with the other cells.'],
    audience: 'caller',
  };
}
