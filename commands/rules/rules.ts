/** @file `/krona rules`: the rules of a channel and of its server. Everyone can read them; moderators can change them. */
import { KronaError } from '../../core/errors.ts';
import {
  RIGHTS,
  SAFETY,
  safetyIn,
  type ChannelRules,
  type Right,
  type Safety,
  type ServerRules,
} from '../../core/rules.ts';
import type { Member } from '../../core/records.ts';
import type { Records } from '../../storage/records.ts';
import { note } from './audit.ts';
import type { Card } from '../card.ts';
import { counted } from '../../core/format.ts';
import { plain } from '../cards/format.ts';
import { memberNames } from '../cards/member-names.ts';
import type { Command, CommandContext, Invocation, OptionData } from '../contract.ts';
import { flagOption, numberOption, textOption } from '../line/options.ts';
import { CHANNEL_QUOTAS, quotaOptions, quotaRows, SERVER_QUOTAS, withQuotas } from './quota-options.ts';
import { requireServerRules } from './server-rules.ts';
import { readWho, requireMember, showWho } from './members.ts';
import { isSameWord, listedWord } from './words.ts';

const MOST_LINES = 25;
const MOST_WORDS = 200;
const MOST_BLOCKED = 500;

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
/** The scope of a whole server. */
const WIDE = 'server';
const SAFETY_TITLE = 'adult (NSFW) images';
const PARAMETERS_TITLE = 'prompt and settings in picture files';
const yesOrNo = (is: boolean): string => (is ? 'yes' : 'no');
const PERCENT_TITLE = 'probability above which the safety check acts';

/** The rules that hold in a channel: its own and those of its server, which null leaves unchanged. */
interface Changed {
  readonly rules?: ChannelRules;
  readonly server?: ServerRules | null;
  /** What was changed, for people. */
  readonly what: string;
}

/** Changes and logs the rules. @returns what was changed; null when nothing was */
async function change(
  { records }: CommandContext,
  invocation: Invocation,
  work: (rules: ChannelRules, inside: Records) => Promise<Changed | null>,
): Promise<string | null> {
  const { id } = invocation.channel;
  return records.transaction(async (inside) => {
    const result = await work(await inside.rules(id), inside);
    if (result === null) return null;
    if (result.rules) await inside.saveRules(id, result.rules);
    if (result.server) await inside.saveServerRules(id, result.server);
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

const namesOf = (members: readonly Member[]): string => members.map(({ name }) => plain(name, 40)).join(', ');

async function show(invocation: Invocation, { records }: CommandContext): Promise<Card> {
  const rules = await records.rules(invocation.channel.id);
  const server = await records.serverRules(invocation.channel.id);
  const safety = safetyIn(rules, invocation.channel, await records.modelCard(invocation.channel.model));
  const blocked = await records.members(rules.blocked);
  const everywhere = await records.members(server?.blocked ?? []);
  const rows = [
    ...RIGHTS.map((right) => [RIGHT_WORDS[right], showWho(rules.who[right])]),
    ...quotaRows(CHANNEL_QUOTAS, rules),
    ...(server === null ? [] : quotaRows(SERVER_QUOTAS, server)),
    [SAFETY_TITLE, `${SAFETY_WORDS[safety]}${rules.safety === null ? ' (default)' : ''}`],
    ...(safety === 'off' ? [] : [[PERCENT_TITLE, `${rules.safetyPercent}%`]]),
    [PARAMETERS_TITLE, yesOrNo(rules.parameters)],
    ['refused words', counted(rules.words.length, 'word')],
    ['blocked members', String(blocked.length)],
    ...(server === null ? [] : [['members blocked in the whole server', String(everywhere.length)]]),
  ];
  // Only moderators see the words and the blocked members.
  const secret = [
    ...(rules.words.length > 0
      ? [`Refused words: ${rules.words.map((word) => plain(word, 60)).join(', ')}.`]
      : []),
    ...(blocked.length > 0 ? [`Blocked: ${namesOf(blocked)}.`] : []),
    ...(everywhere.length > 0 ? [`Blocked in the whole server: ${namesOf(everywhere)}.`] : []),
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
    await change(context, invocation, async (before, inside) => {
      const quotas = withQuotas(CHANNEL_QUOTAS, before, invocation);
      const server = SERVER_QUOTAS.some(([, , name]) => name in invocation.options)
        ? withQuotas(SERVER_QUOTAS, await requireServerRules(inside, invocation), invocation)
        : null;
      const what = [...quotas.what, ...(server?.what ?? [])];
      const given = textOption(invocation, 'safety') as Safety | typeof BY_DEFAULT | undefined;
      const safety = given === BY_DEFAULT ? null : (given ?? before.safety);
      if (safety !== before.safety) what.push(`${SAFETY_TITLE}: ${given}`);
      const safetyPercent = numberOption(invocation, 'safety_percent') ?? before.safetyPercent;
      if (safetyPercent !== before.safetyPercent)
        what.push(`${PERCENT_TITLE}: ${before.safetyPercent}% → ${safetyPercent}%`);
      const parameters = flagOption(invocation, 'parameters') ?? before.parameters;
      if (parameters !== before.parameters) what.push(`${PARAMETERS_TITLE}: ${yesOrNo(parameters)}`);
      if (what.length === 0) return null;
      const rules = { ...quotas.rules, safety, safetyPercent, parameters };
      return { rules, server: server && server.what.length > 0 ? server.rules : null, what: what.join(', ') };
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
        const isWide = textOption(invocation, 'scope') === WIDE;
        const server = isWide ? await requireServerRules(inside, invocation) : null;
        const before = server?.blocked ?? rules.blocked;
        const typed = textOption(invocation, 'member')!;
        const others = await inside.members(before);
        const { id, name } = await requireMember(inside, invocation.channel, typed, others);
        if (before.includes(id) === block) return null;
        if (block && before.length >= MOST_BLOCKED)
          throw new KronaError(
            'TOO_MANY_BLOCKED',
            `At most ${MOST_BLOCKED} members can be blocked. Unblock some first.`,
          );
        const kept = before.filter((each) => each !== id);
        const blocked = block ? [...kept, id] : kept;
        const what = `${name} ${block ? 'blocked' : 'unblocked'}`;
        return server === null
          ? { rules: { ...rules, blocked }, what }
          : { server: { ...server, blocked }, what: `${what} in the whole server` };
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
  const ids = entries.flatMap(({ memberId }) => memberId ?? []);
  const nameOf = await memberNames(records, ids);
  return {
    tone: 'info',
    title: 'Log of this channel',
    text: [entries.length === 0 ? 'No entries yet.' : 'Newest first; times are UTC.'],
    ...(entries.length > 0 && {
      table: {
        columns: ['time', 'who', 'action', 'details'],
        rows: entries.map(({ at, memberId, action, details }) => [
          at.toISOString().slice(0, 16).replace('T', ' '),
          memberId === null ? 'votes' : plain(nameOf(memberId), 40),
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

const scope: OptionData = {
  name: 'scope',
  description: 'In this channel and its threads (default), or in the whole server',
  type: 'text',
  choices: ['channel', WIDE],
};

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
        description: 'Change limits (0: none) and rules for adult (NSFW) images',
        options: [
          ...quotaOptions,
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
          {
            name: 'parameters',
            description: 'Picture files carry their prompt and settings',
            type: 'flag',
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
        description: 'Block a member in this channel or in the whole server',
        options: [
          member(async (_typed, { records }, channel) =>
            (await records.membersOf(channel.id)).map(({ name }) => name),
          ),
          scope,
        ],
        needs: 'moderator',
      },
      {
        name: 'unblock',
        description: 'Unblock a member',
        options: [
          member(async (_typed, { records }, channel) => {
            const { blocked } = await records.rules(channel.id);
            const everywhere = (await records.serverRules(channel.id))?.blocked ?? [];
            return (await records.members([...blocked, ...everywhere])).map(({ name }) => name);
          }),
          scope,
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
