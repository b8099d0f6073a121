/** What Slack does rarely: sends old events late, ends or does not greet a connection, names no time or channel. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { randomUUID } from 'node:crypto';
import { labelsOf, type Person, textOf } from '../fakes/slack/fake-slack.ts';
import { until } from '../helpers/until.ts';
import { drawings, SlackWorld } from './slack-world.ts';

let world: SlackWorld;
let mia: Person;
let ada: Person;
let channel: string;
beforeAll(async () => {
  world = await SlackWorld.open();
}, 300_000);
let tests = 0;
beforeEach(async () => {
  const { slack } = world;
  tests++;
  mia = await slack.person(`Mia${tests}`);
  ada = await slack.person(`Ada${tests}`, { admin: true });
  channel = await slack.channel(`pets-${tests}`, [mia, ada]);
});
afterEach(async () => {
  expect((await world.slack.see()).problems).toEqual([]);
});
afterAll(() => world.close());

const recordOf = async (id: string) =>
  (await world.storage.records.channels('slack')).find(({ externalId }) => externalId === id);

/** A set with one picture that can be voted on, and its message. */
async function votedOn() {
  await mia.types(channel, 'imagine a fox count:1');
  const set = await world.openSet(channel);
  await world.worker.draw(set, await drawings(1));
  const { ts } = await world.message(channel, 'a fox');
  const votes = async () =>
    (await world.storage.records.standingVotes(set.channelId)).votes.map(({ emoji }) => emoji);
  return { set, ts, votes };
}

it("a removed vote doesn't come back with a late event, even after a restart", async () => {
  const { ts, votes } = await votedOn();
  await mia.reacts(channel, ts, '+1');
  await until(async () => (await votes()).length === 1, 'the vote');
  await mia.reacts(channel, ts, '+1', false);
  await until(async () => (await votes()).length === 0, 'no vote');
  expect(await world.slack.act('late', { back: 2 })).toBe(true);
  await world.stopBot();
  await world.startBot();
  expect(await world.slack.act('late', { back: 2 })).toBe(true);
  // Comes after both.
  await ada.reacts(channel, ts, 'heart');
  await until(async () => (await votes()).length > 0, 'the last vote');
  expect(await votes()).toEqual(['heart']);
});

it('a vote counts if only its late event arrived', async () => {
  const { ts, votes } = await votedOn();
  await world.stopBot();
  await mia.reacts(channel, ts, '+1');
  await world.startBot();
  await world.slack.act('late', { back: 1 });
  await until(async () => (await votes()).length === 1, 'the vote');
});

it('a command in a direct message, with one or more people, is refused', async () => {
  const { slack, storage } = world;
  for (const [kind, name, withBot] of [
    ['im', 'directmessage', false],
    ['mpim', 'mpdm-mia--ada-1', true],
  ] as const) {
    const direct = await slack.channel(name, [mia, ada], { kind, withBot });
    for (const line of ['imagine a fox', 'photos add subject:rex class:dog']) {
      const before = (await mia.whispers()).length;
      expect(await mia.types(direct, line)).toBe(true);
      await until(async () => (await mia.whispers()).length > before, 'an answer');
      const { blocks } = (await mia.whispers()).at(-1)!;
      expect(textOf(blocks)).toContain('not in direct messages');
      expect(textOf(blocks)).not.toContain('/invite');
    }
    expect(await mia.form()).toBeNull();
    expect((await storage.records.channels('slack')).some(({ externalId }) => externalId === direct)).toBe(
      false,
    );
  }
});

it("a private channel has its own name, or none where the app can't read it", async () => {
  const { slack } = world;
  const secret = await slack.channel('plans', [mia], { isPrivate: true });
  await mia.types(secret, 'queue');
  await until(async () => (await recordOf(secret))?.name === 'plans', 'the name');
  await slack.act('scope', { name: 'groups:read', granted: false });
  const other = await slack.channel('more-plans', [mia], { isPrivate: true });
  await mia.types(other, 'queue');
  await until(async () => (await recordOf(other))?.name === 'private channel', 'a record');
  await slack.act('scope', { name: 'groups:read', granted: true });
});

it('an admin of another workspace is an ordinary member', async () => {
  const stranger = await world.slack.person('Stranger', { admin: true, team: 'T0OTHER' });
  await world.slack.act('channel', { channel, join: stranger.id });
  await stranger.types(channel, 'rules words add:bad');
  await world.whisper(stranger, 'Only moderators');
  await ada.types(channel, 'rules words add:bad');
  await world.whisper(ada, 'Rules changed');
});

it('admins block members in all channels of the workspace', async () => {
  const other = await world.slack.channel(`other-${tests}`, [mia, ada]);
  await mia.types(other, 'queue');
  await until(() => recordOf(other), 'the channel');
  await ada.types(channel, `rules block @${mia.name.toLowerCase()} scope:server`);
  await world.whisper(ada, 'blocked in the whole server');
  const refusals = async (): Promise<number> =>
    (await mia.whispers()).filter(({ blocks }) => textOf(blocks).includes('BLOCKED')).length;
  for (const [n, place] of [channel, other].entries()) {
    await mia.types(place, 'imagine a fox');
    await until(async () => (await refusals()) === n + 1, 'a refusal');
  }
});

it.each([
  ['none', 2],
  ['too_many_websockets', 2],
  ['short', 3],
])('goes on trying where a new connection has “%s”, with pauses', async (how, times) => {
  await world.stopBot();
  world.log.length = 0;
  await world.slack.act('greeting', { how, times });
  await world.startBot();
  await until(() => mia.types(channel, 'queue'), 'a connection');
  const told = world.log.filter((line) => line.startsWith('Slack: no connection'));
  expect(told).toHaveLength(1);
  expect(told[0]).toContain(how === 'none' ? 'SLACK_SILENT' : 'SLACK_CONNECTION_ENDED');
  world.log.length = 0;
});

it('waits longer each time when a rate limit has no duration', async () => {
  await world.slack.act('fault', { method: 'chat.postMessage', kind: 'limit', times: 2, value: '0' });
  const began = Date.now();
  await mia.types(channel, `imagine ${randomUUID()} count:1`);
  const { blocks } = await world.message(channel, 'queue');
  expect(labelsOf(blocks)).toContain('Cancel');
  expect(Date.now() - began).toBeGreaterThan(2_900);
  expect(world.log.join()).not.toContain('gave no reason');
});
