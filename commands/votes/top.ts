/** @file `/krona top`: rankings by votes, with confidence intervals. */
import { randomUUID } from 'node:crypto';
import type { Card } from '../card.ts';
import { percent } from '../../core/format.ts';
import { plain } from '../cards/format.ts';
import { rankedCard } from '../cards/load-card.ts';
import { OWN_VOTES } from '../cards/ranking-card.ts';
import type { Command, CommandContext, Invocation } from '../contract.ts';
import { textOption } from '../line/options.ts';
import { completeSubject, namedAdapters, requireSubject } from '../subjects/subjects.ts';
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
      `They are compared when a member prefers a picture to one of the same set that was made with another ${what}.`,
    );
  return {
    tone: 'info',
    title,
    text: [`Wins: estimated share of comparisons with an average ${what} that it wins. ${OWN_VOTES}`],
    table: {
      columns: ['', what, 'wins', '95% interval', 'voters'],
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
    // For the caller only: in the channel, the names would stay after an adapter is deleted.
    audience: 'caller',
  };
}

export const top: Command = {
  data: {
    name: 'top',
    description: 'Show the best pictures, adapters or settings by votes',
    example: '/krona top what:adapters',
    options: [
      {
        name: 'what',
        description: 'What to rank (default: pictures)',
        type: 'text',
        choices: ['pictures', 'adapters', 'settings'],
      },
      { name: 'subject', description: 'Only this subject', type: 'text', complete: completeSubject },
    ],
  },

  async run(invocation: Invocation, context: CommandContext) {
    const { channel } = invocation;
    const { records } = context;
    const subjectName = textOption(invocation, 'subject');
    const subject = subjectName === undefined ? null : await requireSubject(records, channel, subjectName);
    const data = await records.standingVotes(channel.id, subject ? { subjectId: subject.id } : undefined);
    const what = textOption(invocation, 'what') ?? 'pictures';
    if (what === 'pictures') {
      const ranked = rankPictures(data).slice(0, MOST_ROWS);
      if (ranked.length === 0)
        return noVotes('Best pictures', `React to pictures that others requested. ${OWN_VOTES}`);
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
        const found = named.get(id);
        if (!found) return id;
        return found.subject.championId === found.adapter.id ? `${found.name} (champion)` : found.name;
      });
    }
    const ranked = rankArms(data, ({ adapterId }) => {
      const adapter = named.get(adapterId ?? '')?.adapter;
      return adapter ? settingsArm(adapter) : null;
    });
    return topArms('Best settings', 'setting', ranked, (arm) => arm);
  },
};
