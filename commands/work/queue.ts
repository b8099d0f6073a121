/** @file `/krona queue`: the jobs and duels of this channel, and cancelling one's own. */
import { KronaError } from '../../core/errors.ts';
import type { JobKind } from '../../core/job-payloads.ts';
import type { Channel, Run } from '../../core/records.ts';
import type { Records } from '../../storage/records.ts';
import { pictureTime } from '../../core/settings/computer.ts';
import { describeDevice, describeDoing, isGone } from '../../core/workers.ts';
import type { Card } from '../card.ts';
import { counted, duration, ordinal } from '../../core/format.ts';
import { plain } from '../cards/format.ts';
import type { Command, CommandContext, Invocation } from '../contract.ts';
import { channelQueue, workRecord, type Work } from './channel-queue.ts';
import { textOption } from '../line/options.ts';
import { modelTitle } from '../models/known-models.ts';
import { pullState } from '../models/model-cards.ts';
import { limitLines } from '../rules/quota.ts';
import { stopDuel } from '../votes/stop-duel.ts';
import { cancelWork, jobOf } from './work.ts';

/** A job's name in chat: the start of its id. */
function shortId({ id }: { readonly id: string }): string {
  return id.slice(0, 8);
}

async function subjectNames(records: Records, channel: Channel): Promise<Map<string, string>> {
  return new Map((await records.subjects(channel.id)).map((subject) => [subject.id, subject.name]));
}

/** What a run is called by the command that starts it. */
function verbOf({ sweep, refinement }: Run): string {
  return sweep !== null ? 'sweep' : refinement !== null ? 'refine' : 'train';
}

function describe(work: Work, subjects: ReadonlyMap<string, string>): string {
  if (work.kind === 'set') return `imagine ${plain(work.set.prompt, 60)}`;
  const { subjectId } = work.kind === 'run' ? work.run : work.duel;
  const subject = plain(subjects.get(subjectId) ?? 'a deleted subject');
  return `${work.kind === 'run' ? verbOf(work.run) : 'duel of'} ${subject}`;
}

type Positions = Readonly<Record<Exclude<JobKind, 'pull'>, ReadonlyMap<string, number>>>;

function stateOf(work: Work, positions: Positions): string {
  if (work.kind === 'duel')
    return `${work.duel.trials.length} of at most ${counted(work.duel.prompts.length, 'pair')} closed`;
  const { state, progress, id } = workRecord(work);
  if (work.kind === 'set' && work.set.awaitsRunId !== null) return 'queued behind the training';
  if (state === 'queued') {
    const position = positions[work.kind === 'run' ? jobOf(work.run) : 'imagine'].get(id);
    return position ? `${ordinal(position)} in the queue` : 'queued';
  }
  if (!progress) return 'starting';
  const left = progress.secondsLeft === null ? '' : `, ${duration(progress.secondsLeft)} left`;
  return `step ${progress.step} of ${progress.steps}${left}`;
}

/** How long a picture takes with the channel's settings, if anybody knows. */
async function timeLines({ records }: CommandContext, { settings, model: name }: Channel): Promise<string[]> {
  const model = await records.modelCard(name);
  const time = model && pictureTime(model, settings);
  return time === null ? [] : [time];
}

/** The workers by their devices. Their machines' names and the jobs of other channels are not for members. */
async function workerLines({ records }: CommandContext): Promise<string[]> {
  const workers = (await records.workers()).filter((worker) => !isGone(worker));
  if (workers.length === 0) return ['No worker is running, so jobs wait.'];
  const each = workers.map((worker) => `${describeDevice(worker)}: ${describeDoing(worker)}`);
  return [`${counted(workers.length, 'worker')}. ${each.join('; ')}.`];
}

/** Downloads of models, which are for all channels. */
async function pullLines({ records }: CommandContext): Promise<string[]> {
  const lines: string[] = [];
  for (const pull of await records.openPulls())
    lines.push(`${plain(await modelTitle(records, pull.model))}: ${pullState(pull)}.`);
  return lines;
}

async function show({ channel, member }: Invocation, context: CommandContext): Promise<Card> {
  const work = await channelQueue(context.records, channel.id);
  const limits = await limitLines(context.records, channel.id, member);
  const time = [
    ...(await workerLines(context)),
    ...(await pullLines(context)),
    ...(await timeLines(context, channel)),
  ];
  if (work.length === 0)
    return { tone: 'info', title: 'The queue is empty', text: [...time, ...limits], audience: 'caller' };
  const subjects = await subjectNames(context.records, channel);
  const ids = [...new Set(work.map((each) => workRecord(each).memberId))];
  const members = new Map((await context.records.members(ids)).map((member) => [member.id, member.name]));
  const { jobs } = context;
  const positions = {
    train: await jobs.positions('train'),
    sweep: await jobs.positions('sweep'),
    imagine: await jobs.positions('imagine'),
  };
  const rows: string[][] = [];
  for (const each of work) {
    const record = workRecord(each);
    rows.push([
      shortId(record),
      describe(each, subjects),
      plain(members.get(record.memberId) ?? 'a former member', 40),
      stateOf(each, positions),
    ]);
  }
  return {
    tone: 'info',
    title: 'Queue of this channel',
    text: ['`/krona queue cancel` cancels your own jobs.', ...time, ...limits],
    table: { columns: ['id', 'what', 'by', 'state'], rows },
    audience: 'caller',
  };
}

/** Returns the job that a member means: by the start of its id, or their only one. */
function choose(work: readonly Work[], typed: string | undefined, memberId: string): Work {
  if (typed !== undefined) {
    const wanted = typed.toLowerCase();
    const found = work.filter((each) => workRecord(each).id.startsWith(wanted));
    const [only] = found;
    if (only && found.length === 1 && wanted.length >= 4) return only;
    throw new KronaError(
      'WORK_UNKNOWN',
      `No job here has the id “${typed.slice(0, 40)}”. \`/krona queue show\` lists the ids.`,
    );
  }
  const own = work.filter((each) => workRecord(each).memberId === memberId);
  const [only] = own;
  if (!only) throw new KronaError('WORK_UNKNOWN', 'You have no jobs in this queue.');
  if (own.length === 1) return only;
  const ids = own.map((each) => `work:${shortId(workRecord(each))}`).join(' or ');
  throw new KronaError('WORK_AMBIGUOUS', `You have ${own.length} jobs in this queue. Choose one: ${ids}.`);
}

async function cancel(invocation: Invocation, context: CommandContext): Promise<Card> {
  const work = await channelQueue(context.records, invocation.channel.id);
  const chosen = choose(work, textOption(invocation, 'work'), invocation.member.id);
  if (chosen.kind === 'duel') await stopDuel(chosen.duel.id, invocation, context);
  else await cancelWork(invocation, chosen, context);
  const subjects = await subjectNames(context.records, invocation.channel);
  return { tone: 'success', title: `Cancelled: ${describe(chosen, subjects)}`, audience: 'caller' };
}

const ACTIONS: Readonly<Record<string, Command['run']>> = { show, cancel };

export const queue: Command = {
  data: {
    name: 'queue',
    direct: true,
    description: 'Show the queue, or cancel your own jobs',
    example: '/krona queue show',
    options: [],
    actions: [
      {
        name: 'show',
        description: 'Show the queue and your limits',
        options: [],
      },
      {
        name: 'cancel',
        description: 'Cancel one of your jobs',
        options: [
          {
            name: 'work',
            description: 'Its id in the queue; not needed if you have only one',
            type: 'text',
            complete: async (_typed, context, channel) =>
              (await channelQueue(context.records, channel.id)).map((work) => shortId(workRecord(work))),
          },
        ],
      },
    ],
  },
  run: (invocation, context) => ACTIONS[invocation.action]!(invocation, context),
};
