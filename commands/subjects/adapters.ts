/** @file `/krona adapters`: the trained adapters, and which of them the channel uses. */
import { randomUUID } from 'node:crypto';
import { KronaError } from '../../core/errors.ts';
import type { ChampionChange } from '../../core/records.ts';
import { note } from '../rules/audit.ts';
import type { Card } from '../card.ts';
import { byteSize } from '../../core/format.ts';
import { plain, trainingWords } from '../cards/format.ts';
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
      text: ['`/krona train` makes one at each checkpoint.'],
      audience: 'caller',
    };
  const mark = ({ adapter, subject }: NamedAdapter): string =>
    subject.championId !== adapter.id ? '' : subject.championPinned ? 'champion (pinned)' : 'champion';
  return {
    tone: 'info',
    title: only ? `Adapters of ${plain(only.name)}` : 'Adapters of this channel',
    text:
      all.length > MOST_ROWS
        ? [
            `The newest ${MOST_ROWS} of ${all.length}. \`/krona adapters list subject:\` shows those of one subject.`,
          ]
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

/** Makes an adapter the champion of its subject. @param pinned votes don't change it */
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
      `Prompts with ${plain(subject.name)} now use this adapter. Chosen by ${plain(actor.member.name)}.`,
      pinned
        ? 'It is pinned, so votes don’t change it. `/krona adapters champion pin:no` unpins it.'
        : 'Votes can change it.',
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

/** Returns the ids of past champions, newest last, without those that a rollback undid. */
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
      `${subject.name} has no earlier champion. Choose an adapter with \`/krona adapters champion\`.`,
    );
  // Pinned, because the same votes would choose the other one again.
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
      `the member who trained it, the owner of ${subject.name},`,
    );
    const { sets } = await records.openWork(channel.id);
    if (sets.some((set) => set.adapterId === adapter.id))
      throw new KronaError(
        'ADAPTER_BUSY',
        `${removed.name} is drawing pictures. Try again when they are done.`,
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
          `It was the champion of ${plain(removed.subject.name)}. Choose another with \`/krona adapters champion\`.`,
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
    text: ['Other programs, such as ComfyUI, can open this file.'],
    files: [{ name: `${name}.safetensors`, blobHash: adapter.blobHash, size: adapter.size }],
    audience: 'caller',
  };
}

const ACTIONS: Readonly<Record<string, Command['run']>> = { list, champion, rollback, delete: remove, link };

const ADAPTER: OptionData = {
  name: 'adapter',
  description: 'Name of an adapter, or of a subject for its champion',
  type: 'text',
  required: true,
  complete: completeAdapter,
};

export const adapters: Command = {
  data: {
    name: 'adapters',
    description: 'Trained adapters: list, choose the champion, download, delete',
    example: '/krona adapters list subject:mochi',
    options: [],
    actions: [
      {
        name: 'list',
        description: 'List the adapters',
        options: [
          { name: 'subject', description: 'Only this subject', type: 'text', complete: completeSubject },
        ],
      },
      {
        name: 'champion',
        description: 'Choose the adapter that prompts use',
        options: [
          ADAPTER,
          { name: 'pin', description: 'Keep it whatever the votes say (default: yes)', type: 'flag' },
        ],
        needs: 'settings',
      },
      {
        name: 'rollback',
        description: 'Return to the previous champion and pin it',
        options: [
          {
            name: 'subject',
            description: 'Subject of the champion',
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
