/** @file `/krona queue`: what runs and waits in this channel, and taking one's own out of it. */
import { KronaError } from '../../core/errors.ts';
import type { Channel, PictureSet, Run } from '../../core/records.ts';
import type { Records } from '../../storage/records.ts';
import type { Card } from '../card.ts';
import { duration, ordinal, plain } from '../cards/format.ts';
import type { Command, CommandContext, Invocation } from '../contract.ts';
import { openWork, workRecord, type Work } from './open-work.ts';
import { textOption } from '../line/options.ts';
import { limitLines } from '../rules/quota.ts';
import { cancelWork } from './work.ts';

/** How work is named in chat: the start of its id. */
function shortId(record: Run | PictureSet): string {
  return record.id.slice(0, 8);
}

/** Open work, oldest first. */
async function queueOf(records: Records, channel: Channel): Promise<Work[]> {
  const work = await openWork(records, channel.id);
  return work.sort((a, b) => workRecord(a).createdAt.getTime() - workRecord(b).createdAt.getTime());
}

async function subjectNames(records: Records, channel: Channel): Promise<Map<string, string>> {
  return new Map((await records.subjects(channel.id)).map((subject) => [subject.id, subject.name]));
}

function describe(work: Work, subjects: ReadonlyMap<string, string>): string {
  return work.kind === 'run'
    ? `train ${plain(subjects.get(work.run.subjectId) ?? 'a deleted subject')}`
    : `imagine ${plain(work.set.prompt, 60)}`;
}

async function stateOf(work: Work, context: CommandContext): Promise<string> {
  const { state, progress, id } = workRecord(work);
  if (state === 'queued') {
    const position = await context.jobs.position(work.kind === 'run' ? 'train' : 'imagine', id);
    return position ? `${ordinal(position)} in the queue` : 'waiting';
  }
  if (!progress) return 'starting';
  const left = progress.secondsLeft === null ? '' : `, ${duration(progress.secondsLeft)} left`;
  return `step ${progress.step} of ${progress.steps}${left}`;
}

async function show({ channel, member }: Invocation, context: CommandContext): Promise<Card> {
  const work = await queueOf(context.records, channel);
  const limits = await limitLines(context.records, channel.id, member);
  if (work.length === 0)
    return { tone: 'info', title: 'Nothing runs and nothing waits', text: limits, audience: 'caller' };
  const subjects = await subjectNames(context.records, channel);
  const ids = [...new Set(work.map((each) => workRecord(each).memberId))];
  const members = new Map((await context.records.members(ids)).map((member) => [member.id, member.name]));
  const rows: string[][] = [];
  for (const each of work) {
    const record = workRecord(each);
    rows.push([
      shortId(record),
      describe(each, subjects),
      plain(members.get(record.memberId) ?? 'a member who left', 40),
      await stateOf(each, context),
    ]);
  }
  return {
    tone: 'info',
    title: 'Queue of this channel',
    text: ['`/krona queue cancel` stops what you asked for.', ...limits],
    table: { columns: ['id', 'what', 'by', 'state'], rows },
    audience: 'caller',
  };
}

/** The work that a member means: by the start of its id, else his only one. */
function choose(work: readonly Work[], typed: string | undefined, memberId: string): Work {
  if (typed !== undefined) {
    const wanted = typed.toLowerCase();
    const found = work.filter((each) => workRecord(each).id.startsWith(wanted));
    if (found.length === 1 && wanted.length >= 4) return found[0]!;
    throw new KronaError(
      'WORK_UNKNOWN',
      `Nothing open here has the id “${typed.slice(0, 40)}”; \`/krona queue show\` lists the ids.`,
    );
  }
  const own = work.filter((each) => workRecord(each).memberId === memberId);
  if (own.length === 1) return own[0]!;
  throw new KronaError(
    own.length === 0 ? 'WORK_UNKNOWN' : 'WORK_AMBIGUOUS',
    own.length === 0
      ? 'Nothing of yours runs or waits here.'
      : `${own.length} things of yours are open; say which: work:${own.map((each) => shortId(workRecord(each))).join(' or work:')}.`,
  );
}

async function cancel(invocation: Invocation, context: CommandContext): Promise<Card> {
  const work = await queueOf(context.records, invocation.channel);
  const chosen = choose(work, textOption(invocation, 'work'), invocation.member.id);
  await cancelWork(invocation, chosen, context);
  const subjects = await subjectNames(context.records, invocation.channel);
  return { tone: 'success', title: `Cancelled: ${describe(chosen, subjects)}`, audience: 'caller' };
}

const ACTIONS: Readonly<Record<string, Command['run']>> = { show, cancel };

export const queue: Command = {
  data: {
    name: 'queue',
    description: 'What runs and waits here; cancel your own',
    example: '/krona queue show',
    options: [],
    actions: [
      {
        name: 'show',
        description: 'Show what runs and waits here, and how much you may ask for',
        options: [],
      },
      {
        name: 'cancel',
        description: 'Stop something you asked for',
        options: [
          {
            name: 'work',
            description: 'Its id as the queue shows it; not needed when you have only one',
            type: 'text',
            complete: async (_typed, context, channel) =>
              (await queueOf(context.records, channel)).map((work) => shortId(workRecord(work))),
          },
        ],
      },
    ],
  },
  run: (invocation, context) => ACTIONS[invocation.action]!(invocation, context),
};
