/** @file `/krona top`: what the votes say, with how sure they are. */
import { randomUUID } from 'node:crypto';
import type { Card } from '../card.ts';
import { percent, plain } from '../cards/format.ts';
import { rankedCard } from '../cards/load-card.ts';
import { OWN_VOTES } from '../cards/ranking-card.ts';
import type { Command, CommandContext, Invocation } from '../contract.ts';
import { textOption } from '../line/options.ts';
import { completeSubject, namedAdapters, requireSubject } from '../subjects/subjects.ts';
import type { VoteData } from './ballots.ts';
import { rankArms, rankPictures, settingsArm, winChance, type RankedArm } from './ranking.ts';

const MOST_ROWS = 10;

function noVotes(title: string, hint: string): Card {
  return { tone: 'info', title, text: [`No votes count yet. ${hint}`], audience: 'caller' };
}

function topArms(
  title: string,
  what: string,
  ranked: readonly RankedArm[],
  label: (arm: string) => string,
): Card {
  if (ranked.length === 0)
    return noVotes(
      title,
      `They are compared when somebody prefers one picture of a set over another ${what}'s.`,
    );
  return {
    tone: 'info',
    title,
    text: [
      `How often a picture of it is preferred over an average one of its set, with 95 % certainty. ${OWN_VOTES}`,
    ],
    table: {
      columns: ['', what, 'wins', 'certainly', 'voters'],
      rows: ranked.slice(0, MOST_ROWS).map((each, index) => {
        const { chance, low, high } = winChance(each);
        return [
          String(index + 1),
          plain(label(each.arm)),
          percent(chance),
          `${percent(low)} to ${percent(high)}`,
          String(each.voters),
        ];
      }),
    },
    // As other lists with adapters' names: in the channel they would stay after the adapter is deleted.
    audience: 'caller',
  };
}

export const top: Command = {
  data: {
    name: 'top',
    description: 'The best pictures, adapters and settings by votes',
    example: '/krona top what:adapters',
    options: [
      {
        name: 'what',
        description: 'What to rank; pictures by default',
        type: 'text',
        choices: ['pictures', 'adapters', 'settings'],
      },
      { name: 'subject', description: 'Of this subject only', type: 'text', complete: completeSubject },
    ],
  },

  async run(invocation: Invocation, context: CommandContext) {
    const { channel } = invocation;
    const { records } = context;
    const subjectName = textOption(invocation, 'subject');
    const subject = subjectName === undefined ? null : await requireSubject(records, channel, subjectName);
    const all = await records.standingVotes(channel.id);
    const sets = subject ? all.sets.filter((set) => set.subjectId === subject.id) : all.sets;
    const data: VoteData = { ...all, sets };
    const what = textOption(invocation, 'what') ?? 'pictures';
    if (what === 'pictures') {
      const ranked = rankPictures(data).slice(0, MOST_ROWS);
      if (ranked.length === 0)
        return noVotes('Best pictures', `React to a picture of somebody else. ${OWN_VOTES}`);
      const ranking = { id: randomUUID(), channelId: channel.id };
      await records.transaction(async (inside) => {
        await inside.addRanking({ ...ranking, pictureIds: ranked.map(({ picture }) => picture.id) });
        const post = { kind: 'ranking', channelId: channel.id, targetId: ranking.id } as const;
        await inside.addPost({ id: randomUUID(), ...post });
      });
      return rankedCard(ranking.id, ranked, records);
    }
    const named = new Map((await namedAdapters(records, channel)).map((each) => [each.adapter.id, each]));
    if (what === 'adapters') {
      const ranked = rankArms(data, ({ adapterId }) => (named.has(adapterId ?? '') ? adapterId : null));
      return topArms('Best adapters', 'adapter', ranked, (id) => {
        const { name, adapter, subject: its } = named.get(id)!;
        return its.championId === adapter.id ? `${name} (champion)` : name;
      });
    }
    const ranked = rankArms(data, ({ adapterId }) => {
      const adapter = named.get(adapterId ?? '')?.adapter;
      return adapter ? settingsArm(adapter) : null;
    });
    return topArms('Best settings', 'setting', ranked, (arm) => arm);
  },
};
