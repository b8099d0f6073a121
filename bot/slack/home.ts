/**
 * @file The Home tab: a member's subjects, runs and limits, from the records.
 * https://docs.slack.dev/surfaces/app-home
 */
import type { types } from '@slack/bolt';
import { channelQueue, workRecord } from '../../commands/work/channel-queue.ts';
import { limitLines } from '../../commands/rules/quota.ts';
import { MAX_FILES, MAX_PHOTOS } from '../../commands/photos/photo-intake.ts';
import { plain } from '../../commands/cards/format.ts';
import type { CommandContext } from '../../commands/contract.ts';
import type { Member, Run } from '../../core/records.ts';
import { ownId } from '../../core/own-id.ts';
import { cut, MAX_TEXT, mrkdwn } from './text.ts';

/** Runs per channel that are read, newest first. */
const RUNS = 50;
const MOST_SHOWN = 15;

const STATES: Readonly<Record<Run['state'], string>> = {
  queued: '🕓 queued',
  running: '⏳ running',
  done: '✅ done',
  failed: '❌ failed',
  cancelled: '⚠️ cancelled',
};

const section = (text: string): types.SectionBlock => ({
  type: 'section',
  text: { type: 'mrkdwn', text: cut(text, MAX_TEXT), verbatim: true },
});

const header = (text: string): types.HeaderBlock => ({
  type: 'header',
  text: { type: 'plain_text', text, emoji: false },
});

interface Belongings {
  readonly subjects: readonly string[];
  readonly runs: readonly string[];
  readonly open: number;
  readonly limits: readonly string[];
}

async function belongings(member: Member, team: string, { records }: CommandContext): Promise<Belongings> {
  const subjects: string[] = [];
  const runs: { readonly at: number; readonly text: string }[] = [];
  const limits: string[] = [];
  let open = 0;
  const channels = await records.channels('slack');
  for (const channel of channels.filter(({ serverId }) => serverId === null || serverId === team)) {
    // A channel is named by its id: Slack shows the name only to members who can see it.
    const where = `<#${ownId(channel.externalId)}>`;
    const names = new Map<string, string>();
    for (const subject of await records.subjects(channel.id)) {
      names.set(subject.id, subject.name);
      if (subject.ownerId !== member.id) continue;
      const photos = (await records.photos(subject.id)).length;
      const ready = subject.championId === null ? 'not trained yet' : 'trained';
      subjects.push(
        `• *${mrkdwn(plain(subject.name))}* (${mrkdwn(plain(subject.className))}) in ${where}: ${photos} of ${MAX_PHOTOS} photos, ${ready}`,
      );
    }
    for (const run of await records.runs(channel.id, RUNS)) {
      if (run.memberId !== member.id) continue;
      const name = names.get(run.subjectId) ?? 'a deleted subject';
      const step = run.progress ? `, step ${run.progress.step} of ${run.progress.steps}` : '';
      runs.push({
        at: run.createdAt.getTime(),
        text: `• ${STATES[run.state]}: ${mrkdwn(plain(name))} in ${where}${step}`,
      });
    }
    if ((await records.membersOf(channel.id)).some(({ id }) => id === member.id))
      for (const line of await limitLines(records, channel.id, member))
        limits.push(`• ${where}: ${mrkdwn(line)}`);
    const work = await channelQueue(records, channel.id);
    open += work.filter((each) => each.kind !== 'duel' && workRecord(each).memberId === member.id).length;
  }
  return { subjects, runs: runs.sort((a, b) => b.at - a.at).map(({ text }) => text), open, limits };
}

const listed = (lines: readonly string[], none: string): types.SectionBlock =>
  section(lines.length === 0 ? none : lines.slice(0, MOST_SHOWN).join('\n'));

/** The view of a member's Home tab in a workspace. Reads only. */
export async function homeView(
  member: Member,
  team: string,
  context: CommandContext,
): Promise<types.HomeView> {
  const { subjects, runs, open, limits } = await belongings(member, team, context);
  return {
    type: 'home',
    blocks: [
      header('Your subjects'),
      listed(subjects, 'None yet. In a channel with Krona, write `/krona train subject:mochi class:cat`.'),
      header('Your runs'),
      listed(runs, 'None yet.'),
      header('Your limits'),
      section(
        `• Jobs queued or running: ${open}\n` +
          `• Photos: at most ${MAX_FILES} at once, and ${MAX_PHOTOS} per subject`,
      ),
      ...(limits.length === 0 ? [] : [listed(limits, '')]),
      {
        type: 'context',
        elements: [
          {
            type: 'mrkdwn',
            text: 'Remove your photos: `/krona photos remove`. All commands: `/krona help`.',
          },
        ],
      },
    ],
  };
}
