/** What holds in a channel on Discord holds in its threads, and what holds in a server in all its channels. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { defaultRules } from '../../core/rules.ts';
import { until } from '../helpers/until.ts';
import { type DiscordWorld, openDiscordWorld, Person } from './discord-world.ts';
import { sprite } from './world.ts';

let world: DiscordWorld;
beforeAll(async () => {
  world = await openDiscordWorld();
});
afterAll(() => world.close());
afterEach(async () => {
  expect(await world.discord.violations()).toEqual([]);
  expect(world.problems.splice(0)).toEqual([]);
});

/** A channel and a thread in it, with the same member and moderator in both. */
async function channelWithThread(unknown = false) {
  const { discord } = world;
  const { id } = await world.channel();
  const thread = await discord.addThread(id, 'a thread', { unknown });
  const [bob, mod] = [await discord.addUser('Bob'), await discord.addUser('Mo', { moderator: true })];
  const at = (user: string, place: string) => new Person(discord, user, place);
  return {
    id,
    thread,
    bob: { here: at(bob, id), inThread: at(bob, thread), id: bob },
    mod: { here: at(mod, id), inThread: at(mod, thread) },
  };
}

const answer = async (asked: ReturnType<Person['command']>) =>
  (await asked).answers.map(({ text }) => text).join('\n');

it.each([false, true])(
  'a member who is blocked in a channel is blocked in its threads (unknown to the client: %s)',
  async (unknown) => {
    const { bob, mod } = await channelWithThread(unknown);
    // Before anybody has used Krona in the channel.
    await mod.inThread.command('rules block', { member: `<@${bob.id}>` });
    for (const person of [bob.inThread, bob.here])
      expect(await answer(person.command('imagine', { prompt: 'a cat' }))).toContain('BLOCKED');
    await mod.here.command('rules unblock', { member: `<@${bob.id}>` });
    await bob.inThread.command('imagine', { prompt: 'a cat', count: 1 });
    await bob.inThread.found('a cat');
  },
);

it('refused words, rights, safety and quotas of a channel apply in its threads', async () => {
  const { bob, mod, id, thread } = await channelWithThread();
  const { records } = world.storage;
  await mod.here.command('rules words', { add: 'blood' });
  await mod.here.command('rules set', { member_pictures: 2, safety: 'block' });
  await mod.here.command('rules roles', { right: 'train', who: 'moderators' });
  expect(await answer(bob.inThread.command('imagine', { prompt: 'blood', count: 1 }))).toContain(
    'PROMPT_REFUSED',
  );
  expect(await answer(bob.inThread.command('rules show'))).toContain('held back');
  await bob.here.command('imagine', { prompt: 'a cat', count: 1 });
  await bob.inThread.command('imagine', { prompt: 'a dog', count: 1 });
  for (const person of [bob.inThread, bob.here])
    expect(await answer(person.command('imagine', { prompt: 'a fox', count: 1 }))).toContain(
      'QUOTA_EXCEEDED',
    );
  const inside = (await records.channels('discord')).find(({ externalId }) => externalId === thread)!;
  expect((await records.rules(inside.id)).safety).toBe('block');
  expect(await answer(mod.here.command('rules log'))).toContain('a dog');
  expect(id).not.toBe(thread);
});

it('quotas and blocks of a server apply in all its channels, and only its managers set them', async () => {
  const { discord } = world;
  const [one, two] = [await world.channel(), await world.channel()];
  const bob = await discord.addUser('Bob');
  const mod = await one.join('Mo', true);
  const boss = new Person(discord, await discord.addUser('Boss', { manager: true }), one.id);
  const [here, there] = [new Person(discord, bob, one.id), new Person(discord, bob, two.id)];
  expect(await answer(mod.command('rules set', { server_member_pictures: 2 }))).toContain('NOT_ALLOWED');
  expect(await answer(mod.command('rules block', { member: `<@${bob}>`, scope: 'server' }))).toContain(
    'NOT_ALLOWED',
  );
  expect(await answer(boss.command('rules set', { server_member_pictures: 2 }))).toContain('240 → 2');
  await here.command('imagine', { prompt: 'a cat', count: 2 });
  expect(await answer(there.command('imagine', { prompt: 'a cat', count: 1 }))).toContain(
    'In the whole server you can request 2 pictures in an hour',
  );
  expect(await answer(there.command('queue show'))).toContain('In the whole server you: 2 of 2 pictures');
  await boss.command('rules set', { server_member_pictures: 0 });
  await there.command('imagine', { prompt: 'a bird', count: 1 });
  await boss.command('rules block', { member: `<@${bob}>`, scope: 'server' });
  for (const person of [here, there])
    expect(await answer(person.command('imagine', { prompt: 'a cat' }))).toContain('BLOCKED');
  expect(await answer(boss.command('rules show'))).toContain('Blocked in the whole server: Bob');
  await boss.command('rules unblock', { member: `<@${bob}>`, scope: 'server' });
  await there.command('imagine', { prompt: 'a moth', count: 1 });
});

/** A set of one picture with its message. */
async function picture() {
  const { id, join } = await world.channel();
  const [ann, bob] = [await join('Ann'), await join('Bob')];
  const { records } = world.storage;
  const channel = await records.channel('discord', id, 'pets');
  // Sets are drawn one by one, so quotas must not end that.
  await records.saveRules(channel.id, { ...defaultRules('discord') });
  await ann.command('imagine', { prompt: 'a fox', count: 1 });
  const set = await world.worker.set(id);
  await world.worker.draw(set, [await sprite('fox', '#bcd', 128, 0)]);
  const shown = await until(async () => {
    const found = (await ann.sees()).find(({ text }) => text.includes('a fox'));
    return found?.pictures.length === 1 && found;
  }, 'the picture');
  const votes = async () => (await records.standingVotes(channel.id)).votes.length;
  return { id, ann, bob, shown, votes };
}

it('a vote counts while either the normal or the super reaction remains', async () => {
  const { bob, shown, votes, id } = await picture();
  await bob.react(shown.id, '👍');
  await bob.react(shown.id, '👍', true);
  await until(async () => (await votes()) === 1, 'the vote');
  for (const [first, second] of [
    [true, false],
    [false, true],
  ] as const) {
    await world.discord.unreact(bob.id, id, shown.id, '👍', first);
    await bob.react(shown.id, '❤️');
    await until(async () => (await votes()) === 2, 'the other vote');
    await world.discord.unreact(bob.id, id, shown.id, '👍', second);
    await until(async () => (await votes()) === 1, 'one vote');
    await bob.unreact(shown.id, '❤️');
    await until(async () => (await votes()) === 0, 'none');
    await bob.react(shown.id, '👍');
    await bob.react(shown.id, '👍', true);
    await until(async () => (await votes()) === 1, 'the vote');
  }
});

it('clearing a message removes its votes, and clearing other messages costs no request', async () => {
  const { bob, shown, votes, id } = await picture();
  await bob.react(shown.id, '👍');
  await until(async () => (await votes()) === 1, 'the vote');
  const before = (await world.discord.requests()).length;
  await world.discord.clearStranger(id);
  await world.discord.clearReactions(id, shown.id);
  await until(async () => (await votes()) === 0, 'no vote');
  const reads = (await world.discord.requests()).slice(before).filter((line) => line.startsWith('GET'));
  expect(reads).toEqual([`GET /channels/${id}/messages/${shown.id}`]);
});
