/** @file `/krona adapters`: what the channel has trained; which of them draws. */
import { randomUUID } from 'node:crypto';
import { KronaError } from '../../core/errors.ts';
import type { ChampionChange } from '../../core/records.ts';
import { note } from '../rules/audit.ts';
import type { Card } from '../card.ts';
import { byteSize, plain, trainingWords } from '../cards/format.ts';
import type { Actor, Command, CommandContext, Invocation, OptionData } from '../contract.ts';
import { flagOption, textOption } from '../line/options.ts';
import { requireOwner } from '../rules/permission.ts';
import {
  completeAdapter,
  completeSubject,
  namedAdapters,
  requireAdapter,
  requireSubject,
} from './subjects.ts';

type NamedAdapter = Awaited<ReturnType<typeof requireAdapter>>;

const MOST_ROWS = 25;

async function list(invocation: Invocation, context: CommandContext): Promise<Card> {
  const { channel } = invocation;
  const subjectName = textOption(invocation, 'subject');
  const only = subjectName === undefined ? null : await requireSubject(context.records, channel, subjectName);
  const all = (await namedAdapters(context.records, channel)).filter(
    ({ subject }) => only === null || subject.id === only.id,
  );
  if (all.length === 0)
    return {
      tone: 'info',
      title: 'No adapters yet',
      text: ['`/krona train` makes them, one at each checkpoint.'],
      audience: 'caller',
    };
  const mark = ({ adapter, subject }: NamedAdapter): string =>
    subject.championId !== adapter.id ? '' : subject.championPinned ? 'champion (pinned)' : 'champion';
  return {
    tone: 'info',
    title: only ? `Adapters of ${plain(only.name)}` : 'Adapters of this channel',
    text:
      all.length > MOST_ROWS
        ? [`The newest ${MOST_ROWS} of ${all.length}; name a subject to see its own.`]
        : [],
    table: {
      columns: ['adapter', 'training', 'size', ''],
      rows: all
        .slice(0, MOST_ROWS)
        .map((each) => [
          plain(each.name),
          trainingWords(each.adapter.settings),
          byteSize(each.adapter.size),
          mark(each),
        ]),
    },
    audience: 'caller',
  };
}

/** Makes an adapter the one that its subject's prompts use; pinned, votes do not change it. */
export async function crown(
  actor: Actor,
  { name, adapter, subject }: NamedAdapter,
  pinned: boolean,
  context: CommandContext,
  cause: ChampionChange['cause'] = 'member',
): Promise<Card> {
  await context.records.transaction(async (records) => {
    const change = { id: randomUUID(), subjectId: subject.id, adapterId: adapter.id, cause } as const;
    await records.changeChampion({ ...change, memberId: actor.member.id }, pinned);
    await note(
      records,
      actor,
      'champion',
      `${name}${pinned ? ', pinned' : ''}${cause === 'rollback' ? ', rolled back' : ''}`,
    );
  });
  return {
    tone: 'success',
    title: `${plain(name)} is the champion of ${plain(subject.name)}`,
    text: [
      `Prompts that name ${plain(subject.name)} use it from now on. Chosen by ${plain(actor.member.name)}.`,
      pinned
        ? 'It is pinned: votes do not change it. `/krona adapters champion pin:no` lets them.'
        : 'Votes may change it.',
    ],
  };
}

async function champion(invocation: Invocation, context: CommandContext): Promise<Card> {
  const chosen = await requireAdapter(
    context.records,
    invocation.channel,
    textOption(invocation, 'adapter')!,
  );
  return crown(invocation, chosen, flagOption(invocation, 'pin') ?? true, context);
}

/** The adapters that were champions, the newest last, without those that a rollback has taken back. */
function reigns(changes: readonly ChampionChange[]): string[] {
  const stack: string[] = [];
  for (const { adapterId, cause } of changes) {
    if (adapterId === null) continue;
    const before = stack.lastIndexOf(adapterId);
    if (cause === 'rollback' && before !== -1) stack.length = before + 1;
    else if (stack.at(-1) !== adapterId) stack.push(adapterId);
  }
  return stack;
}

async function rollback(invocation: Invocation, context: CommandContext): Promise<Card> {
  const { records } = context;
  const { channel } = invocation;
  const subject = await requireSubject(records, channel, textOption(invocation, 'subject')!);
  const earlier = reigns(await records.championChanges(subject.id)).filter((id) => id !== subject.championId);
  const named = await namedAdapters(records, channel);
  const before = named.find(({ adapter }) => adapter.id === earlier.at(-1));
  if (!before)
    throw new KronaError(
      'NO_CHAMPION_BEFORE',
      `${subject.name} has had no other champion that is still there; \`/krona adapters champion\` chooses one.`,
    );
  // Pinned, or the votes that chose the other would choose it again.
  return crown(invocation, before, true, context, 'rollback');
}

async function remove(invocation: Invocation, context: CommandContext): Promise<Card> {
  const { channel } = invocation;
  const name = textOption(invocation, 'adapter')!;
  const { removed, wasChampion } = await context.records.transaction(async (records) => {
    const removed = await requireAdapter(records, channel, name);
    const { adapter, subject } = removed;
    const run = await records.run(adapter.runId);
    requireOwner(
      invocation,
      [subject.ownerId, ...(run ? [run.memberId] : [])],
      'delete this adapter',
      `who trained it, who began ${subject.name},`,
    );
    const { sets } = await records.openWork(channel.id);
    if (sets.some((set) => set.adapterId === adapter.id))
      throw new KronaError(
        'ADAPTER_BUSY',
        `${removed.name} is drawing pictures now; try again when they are done.`,
      );
    const wasChampion = subject.championId === adapter.id;
    if (wasChampion) await records.setChampion(subject.id, null, false);
    await records.deleteAdapter(adapter.id);
    await note(records, invocation, 'delete', `adapter ${removed.name}`);
    return { removed, wasChampion };
  });
  return {
    tone: 'success',
    title: `${plain(removed.name)} is deleted`,
    text: wasChampion
      ? [
          `It was the champion of ${plain(removed.subject.name)}; choose another with \`/krona adapters champion\`.`,
        ]
      : [],
  };
}

async function link(invocation: Invocation, context: CommandContext): Promise<Card> {
  const { name, adapter } = await requireAdapter(
    context.records,
    invocation.channel,
    textOption(invocation, 'adapter')!,
  );
  return {
    tone: 'info',
    title: plain(name),
    text: ['A LoKr file that other programs for diffusion models open, too.'],
    files: [{ name: `${name}.safetensors`, blobHash: adapter.blobHash, size: adapter.size }],
    audience: 'caller',
  };
}

const ACTIONS: Readonly<Record<string, Command['run']>> = { list, champion, rollback, delete: remove, link };

const ADAPTER: OptionData = {
  name: 'adapter',
  description: 'Its name as the list shows it, or a subject for its champion',
  type: 'text',
  required: true,
  complete: completeAdapter,
};

export const adapters: Command = {
  data: {
    name: 'adapters',
    description: 'What was trained here: list, choose the champion, download, delete',
    example: '/krona adapters list subject:mochi',
    options: [],
    actions: [
      {
        name: 'list',
        description: 'Show the adapters',
        options: [
          { name: 'subject', description: 'Of this subject only', type: 'text', complete: completeSubject },
        ],
      },
      {
        name: 'champion',
        description: 'Choose the adapter that prompts use',
        options: [
          ADAPTER,
          { name: 'pin', description: 'Keep it whatever the votes say (yes by default)', type: 'flag' },
        ],
        needs: 'settings',
      },
      {
        name: 'rollback',
        description: 'Back to the champion before, and keep it',
        options: [
          {
            name: 'subject',
            description: 'Whose champion',
            type: 'text',
            required: true,
            complete: completeSubject,
          },
        ],
        needs: 'settings',
      },
      { name: 'delete', description: 'Delete an adapter', options: [ADAPTER] },
      { name: 'link', description: 'Get a download link', options: [ADAPTER] },
    ],
  },
  run: (invocation, context) => ACTIONS[invocation.action]!(invocation, context),
};
