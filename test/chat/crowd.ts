/**
 * @file Many members who send commands at once, and whether each was acknowledged, answered once, and in the order of
 * its channel: for a test, and for the bench.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseCommandLine } from '../../commands/index.ts';
import type { GivenOptions } from '../fakes/discord/actors.ts';
import type { FakeDiscord } from '../fakes/discord/fake-discord.ts';
import { type FakeSlack, Person as SlackPerson, textOf } from '../fakes/slack/fake-slack.ts';

/** Something that Krona said in a channel. */
interface Said {
  readonly text: string;
  /** The one member who sees it; null: all do. */
  readonly onlyFor: string | null;
}

/** A platform as a crowd meets it. */
export interface CrowdPlatform {
  addChannel(name: string): Promise<string>;
  /** Returns the member's id. */
  addMember(name: string, channelId: string): Promise<string>;
  /** Sends `/krona …`; settles when the platform has it, whether or not anybody has acknowledged it. */
  send(memberId: string, channelId: string, line: string): Promise<void>;
  /** From the command to its acknowledgement, ms, of every command sent that was acknowledged. */
  acknowledgements(): Promise<number[]>;
  /** All that stands in a channel, the oldest first. */
  said(channelId: string): Promise<Said[]>;
}

export interface CrowdOptions {
  readonly members: number;
  readonly channels: number;
  /** Time in which all commands are sent, ms. */
  readonly within: number;
  /** How long answers are waited for afterwards, ms. */
  readonly patience: number;
}

export interface CrowdResult {
  /** To the acknowledgement of each command, ms; as many as commands when none was missed. */
  readonly acknowledgements: readonly number[];
  /** Commands without an answer. */
  readonly lost: number;
  /** Commands with more than one. */
  readonly twice: number;
  /** Messages for all that stand before the one of an earlier command of their channel. */
  readonly misplaced: number;
}

/** What members send in turn: half of them things for all to see, half of them what they alone are told. */
const LINES = [
  '/krona imagine a fox in hat CROWD count:1',
  '/krona queue show',
  '/krona imagine a cat in hat CROWD count:1',
  '/krona settings show',
  '/krona imagine a dog in hat CROWD count:1',
  '/krona help',
];

interface Command {
  readonly memberId: string;
  readonly line: string;
  /** What a message for all says, if this is answered by one. */
  readonly words: string;
}

/** Lets a crowd send a command each, and waits for the answers. */
export async function letCrowdIn(
  platform: CrowdPlatform,
  { members, channels, within, patience }: CrowdOptions,
): Promise<CrowdResult> {
  const sent = new Map<string, Command[]>();
  for (let n = 0; n < channels; n++) sent.set(await platform.addChannel(`crowd-${n}`), []);
  const ids = [...sent.keys()];
  const people: string[] = [];
  for (let n = 0; n < members; n++) people.push(await platform.addMember(`Member ${n}`, ids[n % channels]!));

  const before = (await platform.acknowledgements()).length;
  const began = performance.now();
  const sending: Promise<void>[] = [];
  for (const [n, memberId] of people.entries()) {
    await sleep(Math.max(0, began + (n * within) / members - performance.now()));
    const channelId = ids[n % channels]!;
    // Members of one channel send different commands one after the other.
    const template = LINES[(n + Math.floor(n / channels)) % LINES.length]!;
    const command = { memberId, line: template.replace('CROWD', `n${n}n`), words: `in hat n${n}n` };
    sent.get(channelId)!.push(command);
    sending.push(platform.send(memberId, channelId, command.line));
  }
  await Promise.all(sending);

  const until = performance.now() + patience;
  for (;;) {
    const counts = { lost: 0, twice: 0, misplaced: 0 };
    for (const [channelId, commands] of sent) count(counts, commands, await platform.said(channelId));
    if (counts.lost > 0 && performance.now() < until) await sleep(500);
    else return { ...counts, acknowledgements: (await platform.acknowledgements()).slice(before) };
  }
}

type Counts = { -readonly [Name in 'lost' | 'twice' | 'misplaced']: number };

function count(counts: Counts, commands: readonly Command[], said: readonly Said[]): void {
  const places = commands.map(() => 0);
  let last = -1;
  for (const { text, onlyFor } of said) {
    const at = commands.findIndex(({ memberId, words }) =>
      onlyFor === null ? text.includes(words) : onlyFor === memberId,
    );
    if (at < 0) continue;
    places[at]!++;
    // What one member is told alone, nobody else can see the place of.
    if (onlyFor !== null) continue;
    if (at < last) counts.misplaced++;
    last = Math.max(last, at);
  }
  counts.lost += places.filter((answers) => answers === 0).length;
  counts.twice += places.filter((answers) => answers > 1).length;
}

/** A command as Discord's client hands it over: its path, and numbers as numbers. */
export function asTyped(line: string): { readonly path: string; readonly options: GivenOptions } {
  const { name, action, options } = parseCommandLine(line);
  const typed = Object.entries(options).map(([key, value]) => [
    key,
    typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value,
  ]);
  return {
    path: action === '' ? name : `${name} ${action}`,
    options: Object.fromEntries(typed) as GivenOptions,
  };
}

export function discordCrowd(discord: FakeDiscord): CrowdPlatform {
  return {
    addChannel: (name) => discord.addChannel(name),
    addMember: (name) => discord.addUser(name),
    async send(memberId, channelId, line) {
      const { path, options } = asTyped(line);
      await discord.command(memberId, channelId, path, options);
    },
    acknowledgements: () => discord.acknowledgements(),
    said: (channelId) => discord.everything(channelId),
  };
}

export function slackCrowd(slack: FakeSlack): CrowdPlatform {
  const people = new Map<string, SlackPerson>();
  return {
    addChannel: (name) => slack.channel(name, []),
    async addMember(name, channelId) {
      const person = await slack.person(name);
      people.set(person.id, person);
      await slack.act('channel', { channel: channelId, join: person.id });
      return person.id;
    },
    async send(memberId, channelId, line) {
      await people.get(memberId)!.types(channelId, line.replace(/^\/krona /, ''));
    },
    acknowledgements: async () => [...(await slack.see()).acks],
    async said(channelId) {
      const { channels, ephemerals } = await slack.see();
      const all = [
        ...(channels[channelId] ?? [])
          .filter(({ thread }) => thread === null)
          .map(({ ts, blocks }) => ({ ts, blocks, onlyFor: null })),
        ...ephemerals
          .filter(({ channel }) => channel === channelId)
          .map(({ id, blocks, user }) => ({ ts: id, blocks, onlyFor: user })),
      ];
      // The part after the point counts all messages of the workspace.
      const nth = (ts: string) => Number(ts.split('.')[1]);
      return all
        .sort((a, b) => nth(a.ts) - nth(b.ts))
        .map(({ blocks, onlyFor }) => ({ text: textOf(blocks), onlyFor }));
    },
  };
}
