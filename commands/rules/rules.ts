/** @file `/krona rules`: a channel's rules. Everyone can read them; moderators can change them. */
import { KronaError } from '../../core/errors.ts';
import {
  RIGHTS,
  SAFETY,
  safetyIn,
  type ChannelRules,
  type Quota,
  type Right,
  type Safety,
} from '../../core/rules.ts';
import type { Records } from '../../storage/records.ts';
import { note } from './audit.ts';
import type { Card } from '../card.ts';
import { counted } from '../../core/format.ts';
import { plain } from '../cards/format.ts';
import type { Command, CommandContext, Invocation, OptionData } from '../contract.ts';
import { numberOption, textOption } from '../line/options.ts';
import { readWho, requireMember, showWho } from './members.ts';
import { isSameWord, listedWord } from './words.ts';

const MOST_LINES = 25;
const MOST_WORDS = 200;
const MOST_BLOCKED = 500;

const QUOTAS = [
  ['member', 'trainings', 'Trainings a member can start in 24 hours'],
  ['member', 'pictures', 'Pictures a member can request in an hour'],
  ['member', 'open', 'Jobs of a member queued or running at once'],
  ['channel', 'trainings', 'Trainings of the channel in 24 hours'],
  ['channel', 'pictures', 'Pictures of the channel in an hour'],
  ['channel', 'open', 'Jobs of the channel queued or running at once'],
] as const satisfies readonly (readonly ['member' | 'channel', keyof Quota, string])[];

const RIGHT_WORDS: Readonly<Record<Right, string>> = {
  train: 'who can train',
  imagine: 'who can draw',
  settings: 'who can change settings and champions',
};

const SAFETY_WORDS: Readonly<Record<Safety, string>> = {
  off: 'not checked',
  spoiler: 'hidden until a member asks',
  block: 'held back',
};
const BY_DEFAULT = 'default';
const SAFETY_TITLE = 'adult (NSFW) images';
const PERCENT_TITLE = 'probability above which the safety check acts';

const limit = (value: number | null): string => (value === null ? 'no limit' : String(value));

/** Changes and logs the rules. @returns what was changed; null when nothing was */
async function change(
  { records }: CommandContext,
  invocation: Invocation,
  work: (rules: ChannelRules, inside: Records) => Promise<{ rules: ChannelRules; what: string } | null>,
): Promise<string | null> {
  return records.transaction(async (inside) => {
    const result = await work(await inside.rules(invocation.channel.id), inside);
    if (result === null) return null;
    await inside.saveRules(invocation.channel.id, result.rules);
    await note(inside, invocation, 'rules', result.what);
    return result.what;
  });
}

function changedCard(what: string | null): Card {
  if (what === null)
    return {
      tone: 'info',
      title: 'No change',
      text: ['Those are already the rules.'],
      audience: 'caller',
    };
  return { tone: 'success', title: 'Rules changed', text: [plain(what, 600)], audience: 'caller' };
}

async function show(invocation: Invocation, { records }: CommandContext): Promise<Card> {
  const rules = await records.rules(invocation.channel.id);
  const safety = safetyIn(rules, invocation.channel, await records.modelCard());
  const blocked = await records.members(rules.blocked);
  const rows = [
    ...RIGHTS.map((right) => [RIGHT_WORDS[right], showWho(rules.who[right])]),
    ...QUOTAS.map(([whose, what, description]) => [description.toLowerCase(), limit(rules[whose][what])]),
    [SAFETY_TITLE, `${SAFETY_WORDS[safety]}${rules.safety === null ? ' (default)' : ''}`],
    ...(safety === 'off' ? [] : [[PERCENT_TITLE, `${rules.safetyPercent}%`]]),
    ['refused words', counted(rules.words.length, 'word')],
    ['blocked members', String(blocked.length)],
  ];
  // Only moderators see the words and the blocked members.
  const secret = [
    ...(rules.words.length > 0
      ? [`Refused words: ${rules.words.map((word) => plain(word, 60)).join(', ')}.`]
      : []),
    ...(blocked.length > 0 ? [`Blocked: ${blocked.map(({ name }) => plain(name, 40)).join(', ')}.`] : []),
  ];
  return {
    tone: 'info',
    title: 'Rules of this channel',
    text: [
      'Moderators can change them: see `/krona help rules`. Limits don’t apply to moderators.',
      ...(invocation.moderator ? secret : []),
    ],
    table: { columns: ['rule', 'value'], rows },
    audience: 'caller',
  };
}

async function set(invocation: Invocation, context: CommandContext): Promise<Card> {
  if (Object.keys(invocation.options).length === 0)
    throw new KronaError(
      'OPTION_MISSING',
      'There is nothing to set. Example: `/krona rules set member_pictures:40`.',
    );
  return changedCard(
    await change(context, invocation, async (before) => {
      const after = { ...before, member: { ...before.member }, channel: { ...before.channel } };
      const what: string[] = [];
      for (const [whose, quota, description] of QUOTAS) {
        const given = numberOption(invocation, `${whose}_${quota}`);
        if (given === undefined) continue;
        const value = given === 0 ? null : given;
        if (value === before[whose][quota]) continue;
        after[whose] = { ...after[whose], [quota]: value };
        what.push(`${description.toLowerCase()}: ${limit(before[whose][quota])} → ${limit(value)}`);
      }
      const given = textOption(invocation, 'safety') as Safety | typeof BY_DEFAULT | undefined;
      const safety = given === BY_DEFAULT ? null : (given ?? before.safety);
      if (safety !== before.safety) what.push(`${SAFETY_TITLE}: ${given}`);
      const safetyPercent = numberOption(invocation, 'safety_percent') ?? before.safetyPercent;
      if (safetyPercent !== before.safetyPercent)
        what.push(`${PERCENT_TITLE}: ${before.safetyPercent}% → ${safetyPercent}%`);
      return what.length === 0 ? null : { rules: { ...after, safety, safetyPercent }, what: what.join(', ') };
    }),
  );
}

async function roles(invocation: Invocation, context: CommandContext): Promise<Card> {
  const right = textOption(invocation, 'right') as Right;
  const who = readWho(textOption(invocation, 'who')!);
  return changedCard(
    await change(context, invocation, async (rules) => {
      const before = showWho(rules.who[right]);
      if (before === showWho(who)) return null;
      return {
        rules: { ...rules, who: { ...rules.who, [right]: who } },
        what: `${RIGHT_WORDS[right]}: ${before} → ${showWho(who)}`,
      };
    }),
  );
}

function blocking(block: boolean): Command['run'] {
  return async (invocation, context) =>
    changedCard(
      await change(context, invocation, async (rules, inside) => {
        const typed = textOption(invocation, 'member')!;
        const { id, name } = await requireMember(
          inside,
          invocation.channel,
          typed,
          await inside.members(rules.blocked),
        );
        if (rules.blocked.includes(id) === block) return null;
        if (block && rules.blocked.length >= MOST_BLOCKED)
          throw new KronaError(
            'TOO_MANY_BLOCKED',
            `At most ${MOST_BLOCKED} members can be blocked. Unblock some first.`,
          );
        const blocked = rules.blocked.filter((each) => each !== id);
        return {
          rules: { ...rules, blocked: block ? [...blocked, id] : blocked },
          what: `${name} ${block ? 'blocked' : 'unblocked'}`,
        };
      }),
    );
}

async function words(invocation: Invocation, context: CommandContext): Promise<Card> {
  const [add, remove] = [textOption(invocation, 'add'), textOption(invocation, 'remove')];
  if (add === undefined && remove === undefined)
    throw new KronaError(
      'OPTION_MISSING',
      'A word or phrase is missing: use `/krona rules words add:…` or `/krona rules words remove:…`. `/krona rules show` lists them.',
    );
  return changedCard(
    await change(context, invocation, async (rules) => {
      let list = [...rules.words];
      const what: string[] = [];
      if (remove !== undefined && list.some((word) => isSameWord(word, remove))) {
        list = list.filter((word) => !isSameWord(word, remove));
        what.push(`allowed again: ${remove}`);
      }
      if (add !== undefined) {
        const word = listedWord(add);
        if (word === '')
          throw new KronaError('WORD_INVALID', 'A refused word must contain a letter or a digit.');
        if (list.length >= MOST_WORDS)
          throw new KronaError(
            'TOO_MANY_WORDS',
            `At most ${MOST_WORDS} words and phrases can be refused. Remove some first.`,
          );
        if (!list.some((each) => isSameWord(each, word))) {
          list.push(word);
          what.push(`refused: ${word}`);
        }
      }
      return what.length === 0 ? null : { rules: { ...rules, words: list }, what: what.join(', ') };
    }),
  );
}

async function log({ channel }: Invocation, { records }: CommandContext): Promise<Card> {
  const entries = await records.audit(channel.id, MOST_LINES);
  const ids = [...new Set(entries.flatMap(({ memberId }) => memberId ?? []))];
  const names = new Map((await records.members(ids)).map(({ id, name }) => [id, name]));
  return {
    tone: 'info',
    title: 'Log of this channel',
    text: [entries.length === 0 ? 'No entries yet.' : 'Newest first; times are UTC.'],
    ...(entries.length > 0 && {
      table: {
        columns: ['time', 'who', 'action', 'details'],
        rows: entries.map(({ at, memberId, action, details }) => [
          at.toISOString().slice(0, 16).replace('T', ' '),
          memberId === null ? 'votes' : plain(names.get(memberId) ?? 'a former member', 40),
          action,
          plain(details, 200),
        ]),
      },
    }),
    audience: 'caller',
  };
}

const ACTIONS: Readonly<Record<string, Command['run']>> = {
  show,
  set,
  roles,
  block: blocking(true),
  unblock: blocking(false),
  words,
  log,
};

const quotaOption = ([whose, quota, description]: (typeof QUOTAS)[number]): OptionData => ({
  name: `${whose}_${quota}`,
  description: `${description} (0 = no limit)`,
  type: 'integer',
  min: 0,
  max: 100_000,
});

const member = (complete: NonNullable<OptionData['complete']>): OptionData => ({
  name: 'member',
  description: 'Name as it is shown, or a mention',
  type: 'text',
  required: true,
  mentions: true,
  complete,
});

export const rules: Command = {
  data: {
    name: 'rules',
    description: 'Who can do what here, limits and refused words',
    example: '/krona rules set member_pictures:40',
    options: [],
    actions: [
      { name: 'show', description: 'Show the rules', options: [] },
      {
        name: 'set',
        description: 'Change limits and the handling of adult (NSFW) images',
        options: [
          ...QUOTAS.map(quotaOption),
          {
            name: 'safety',
            description: 'Adult (NSFW) images: off = not checked, spoiler = hidden, block = held back',
            type: 'text',
            choices: [BY_DEFAULT, ...SAFETY],
          },
          {
            name: 'safety_percent',
            description: 'Probability above which the safety check acts (default 50, 0 = on every picture)',
            type: 'integer',
            min: 0,
            max: 100,
          },
        ],
        needs: 'moderator',
      },
      {
        name: 'roles',
        description: 'Change who can train, draw or change settings',
        options: [
          {
            name: 'right',
            description: 'The right to change',
            type: 'text',
            required: true,
            choices: RIGHTS,
          },
          {
            name: 'who',
            description: 'everyone, moderators, or roles',
            type: 'text',
            required: true,
            maxLength: 1000,
            mentions: true,
          },
        ],
        needs: 'moderator',
      },
      {
        name: 'block',
        description: 'Block a member in this channel',
        options: [
          member(async (_typed, { records }, channel) =>
            (await records.membersOf(channel.id)).map(({ name }) => name),
          ),
        ],
        needs: 'moderator',
      },
      {
        name: 'unblock',
        description: 'Unblock a member',
        options: [
          member(async (_typed, { records }, channel) =>
            (await records.members((await records.rules(channel.id)).blocked)).map(({ name }) => name),
          ),
        ],
        needs: 'moderator',
      },
      {
        name: 'words',
        description: 'Refuse words in prompts and names, or allow them again',
        options: [
          { name: 'add', description: 'Word or phrase to refuse', type: 'text', maxLength: 100 },
          { name: 'remove', description: 'Word or phrase to allow again', type: 'text', maxLength: 100 },
        ],
        needs: 'moderator',
      },
      { name: 'log', description: 'Show who did what here', options: [], needs: 'moderator' },
    ],
  },
  run: (invocation, context) => ACTIONS[invocation.action]!(invocation, context),
};
