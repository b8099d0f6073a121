import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { PictureSet, Run } from '../../core/records.ts';
import type { MessageView } from '../fakes/discord/views.ts';
import { skipTime } from '../helpers/clock.ts';
import { newSet } from '../helpers/new-records.ts';
import { until } from '../helpers/until.ts';
import { type DiscordWorld, openDiscordWorld, Person, photos } from './discord-world.ts';
import { sprite } from './world.ts';

/** More than the bot's first pause after it was not allowed to show a message, ms. */
const FORBIDDEN_PAUSE = 8_000;

let world: DiscordWorld;
beforeAll(async () => {
  world = await openDiscordWorld({ direct: true });
});
afterAll(() => world.close());
// Whatever a test is about: nothing that Discord forbids, nobody left waiting, nothing in the log.
afterEach(async () => {
  expect(await world.discord.violations()).toEqual([]);
  await until(async () => (await world.discord.waiting()) === 0, 'an end of all waiting');
  expect(world.problems.splice(0)).toEqual([]);
});

const pixels = (names: readonly string[], background: string) =>
  Promise.all(names.map((name, turn) => sprite(name, background, 128, turn * 15)));

const set = (channelId: string): Promise<PictureSet> =>
  until(() => world.worker.set(channelId).catch(() => null));
const run = (channelId: string): Promise<Run> => until(() => world.worker.run(channelId).catch(() => null));

describe('direct messages on Discord', () => {
  it('draw with the model alone, for members of a server and for those who installed the app', async () => {
    const { storage, worker } = world;
    for (const installed of [false, true]) {
      const eve = await world.direct(`Eve ${installed}`, { installed });
      expect((await eve.command('imagine', { prompt: 'a moth', count: 2 })).state).toBe('gone');
      await eve.found('a moth');
      const asked = await set(eve.channelId);
      // Nobody else is there to vote, and nobody moderates: adult images are held back.
      expect((await storage.records.rules(asked.channelId)).safety).toBe('block');
      await worker.draw(asked, await pixels(['fox', 'fox'], '#ffe'));
      const shown = await until(async () => {
        const found = await eve.found('a moth');
        return found.pictures.length === 2 ? found : null;
      });
      await eve.press(shown.id, 'Again');
      await set(eve.channelId);
      expect(shown.reactions).toEqual([]);
      expect(await eve.complete('imagine', 'subject', '')).toEqual([]);
    }
  });

  it("know nothing of servers' subjects, and refuse what needs a channel, and members who are blocked", async () => {
    const { records } = world.storage;
    const { id, join } = await world.channel();
    const ann = await join('Ann');
    const [one, two] = await photos();
    await ann.command('photos add', { subject: 'mochi', class: 'cat', photo1: one!, photo2: two! });
    await ann.found('2 photos of mochi added');
    const eve = await world.direct('Eve');
    const told = async (path: string, options: Parameters<Person['command']>[1] = {}) =>
      (await eve.command(path, options)).answers[0]!.text;
    expect(await told('imagine', { prompt: 'a cat', subject: 'mochi' })).toContain('SUBJECT_UNKNOWN');
    expect(await eve.complete('imagine', 'subject', 'mo')).toEqual([]);
    for (const path of ['rules show', 'model list', 'top'])
      expect(await told(path), path).toMatch(/needs a channel of a server[^]*NOT_HERE/);
    const here = (await records.channelByExternalId('discord', id))!;
    const { id: eveId } = (await records.memberByExternalId('discord', eve.id))!;
    const rules = await records.rules(here.id);
    await records.saveRules(here.id, { ...rules, blocked: [eveId] });
    expect(await told('imagine', { prompt: 'a dog' })).toContain('BLOCKED');
    expect(await told('privacy show')).not.toContain('BLOCKED');
    await records.saveRules(here.id, rules);
  });
});

describe('photos on Discord', () => {
  it('come with the command, are shown to everybody, and leave no pending answer', async () => {
    const { join } = await world.channel();
    const [ann, bob] = [await join('Ann'), await join('Bob')];
    const [one, two] = await photos();
    const asked = await ann.command('photos add', {
      subject: 'mochi',
      class: 'cat',
      photo1: one!,
      photo2: two!,
    });
    expect(asked.state).toBe('gone');
    expect((await bob.found('2 photos of mochi added')).onlyFor).toBeNull();
  });

  it('come in a form that requires consent', async () => {
    const { join } = await world.channel();
    const [ann, bob] = [await join('Ann'), await join('Bob')];
    const [one, two, three] = await photos();
    const asked = await ann.command('photos add', { subject: 'mochi' });
    expect(asked.state).toBe('form');
    const fields = { class: 'cat', caption: 'on grass | | in a box', photos: [one!, two!, three!] };
    await expect(ann.submit(asked.id, fields)).rejects.toThrow('without “Consent”');
    // The subject is filled in already.
    expect((await ann.submit(asked.id, { ...fields, consent: true })).state).toBe('gone');
    await bob.found('3 photos of mochi added');
    const settled = await ann.command('photos list', { subject: 'mochi' });
    expect(settled.answers[0]!.onlyFor).toBe(ann.id);
    expect(settled.answers[0]!.pictures).toHaveLength(3);
    expect(settled.answers[0]!.text).toContain('1 · Ann · on grass');
    expect(settled.answers[0]!.text).toContain('3 · Ann · in a box');
    expect((await bob.sees()).some(({ text }) => text.includes('1 · Ann'))).toBe(false);
  });

  it("come from a member's own message by its menu, and from no other", async () => {
    const { join } = await world.channel();
    const [ann, bob] = [await join('Ann'), await join('Bob')];
    const message = await ann.say('look at her!', (await photos()).slice(0, 2));
    const refused = await bob.choose(message, 'Add photos to a subject');
    expect(refused.answers[0]!.text).toContain("Only the sender can submit a message's photos");
    const asked = await ann.choose(message, 'Add photos to a subject');
    expect(JSON.stringify(asked.form)).not.toContain('"photos"');
    const forged = await bob.forge(asked.id, { subject: 'stolen', class: 'cat', consent: true });
    expect(forged.answers[0]!.text).toContain('Choose the same in the message’s menu again');
    await ann.submit(asked.id, { subject: 'mochi', class: 'cat', consent: true });
    await bob.found('2 photos of mochi added');
    const twice = await ann.choose(message, 'Add photos to a subject');
    const once = await ann.choose(message, 'Add photos to a subject');
    await ann.submit(once.id, { subject: 'tama', class: 'cat', consent: true });
    await bob.found('2 photos of tama added');
    await ann.submit(twice.id, { subject: 'kuro', class: 'cat', consent: true });
    await bob.found('2 photos of kuro added');
    const bare = await ann.choose(await ann.say('no picture here'), 'Add photos to a subject');
    expect(bare.answers[0]!.text).toContain('No file is attached');
  });

  it('get their verdicts in one answer, only for the sender', async () => {
    const { join } = await world.channel();
    const [ann, bob] = [await join('Ann'), await join('Bob')];
    const [one] = await photos();
    const asked = await ann.command('photos add', {
      subject: 'mochi',
      class: 'cat',
      photo1: one!,
      photo2: { name: 'again.png', bytes: one!.bytes },
      photo3: { name: 'letter.png', bytes: Buffer.from('Dear Krona') },
    });
    const [verdict] = asked.answers;
    expect(verdict!.onlyFor).toBe(ann.id);
    expect(verdict!.text).toMatch(/1 of 3 photos kept[^]*again\.png is the same photo[^]*letter\.png/);
    await bob.found('1 photo of mochi added');
  });
});

describe('a subject on Discord', () => {
  it('is trained in one updating message, drawn, voted on and deleted', async () => {
    const { id: channelId, join } = await world.channel();
    const [ann, bob, cleo] = [await join('Ann'), await join('Bob'), await join('Cleo')];
    const moderator = await join('Mo', true);
    const { worker } = world;

    // A new subject without files: the form, which keeps what the command said.
    const asked = await ann.command('train', { subject: 'mochi', class: 'cat', steps: '120' });
    expect(asked.state).toBe('form');
    await ann.submit(asked.id, { photos: await photos(), consent: true });
    const waiting = await bob.found('Training of mochi is queued');
    expect(waiting.buttons.map(({ label }) => label)).toEqual(['Cancel', 'Samples', 'Settings']);
    expect(waiting.text).toContain('120 steps');

    const trained = await run(channelId);
    await worker.progress(trained, 40, 80);
    const living = await bob.found('33%');
    expect(living.id).toBe(waiting.id);
    expect(living.text).toMatch(/▰▰▰▰▰▰▰▱[^]*1 min left|80 s left/);
    expect(living.pictures[0]!.alt).toMatch(/^Curve: loss/);

    const early = await worker.adapter(trained, 60, false);
    await worker.progress(trained, 60, 60);
    await worker.picturesOfRun(trained, 'samples', early, await pixels(['cat-face'], '#88a'));
    await until(async () => (await bob.found('step 60')).pictures.length === 2, 'a sample beside the curve');

    const final = await worker.adapter(trained, 120, true);
    await worker.picturesOfRun(
      trained,
      'finals',
      final,
      await pixels(['cat-face', 'dog-face', 'fox', 'owl'], '#a86'),
    );
    await worker.finish(trained);
    const done = await bob.found('mochi is trained');
    expect(done.id).toBe(waiting.id);
    // Nobody votes under samples that change, so a vote is under the result alone.
    expect(done.pictures).toHaveLength(1);
    expect(done.reactions).toEqual([]);
    await until(async () => (await bob.found('Which mochi is the best')).reactions.length === 4, 'numbers');
    const grid = await bob.found('Which mochi is the best');
    expect(grid.pictures.map(({ alt }) => alt)).toEqual(
      [1, 2, 3, 4].map((n) => `a picture of it (picture ${n} of 4)`),
    );
    expect(done.files[0]!.name).toMatch(/^mochi.*\.safetensors$/);
    // The signed link, as a member would click it.
    const link = /\]\(<(http[^>]+)>\)/.exec(done.text)![1]!;
    expect(
      (await (await fetch(link.replace(/^https?:\/\/[^/]+/, world.address()))).arrayBuffer()).byteLength,
    ).toBe(done.files[0]!.size);

    const hint = await (await bob.press(done.id, 'Draw mochi')).answered();
    expect(hint.onlyFor).toBe(bob.id);
    await ann.press(done.id, 'Make champion');
    await bob.found('is the champion of mochi');

    expect(await ann.complete('imagine', 'prompt', 'a painting of mo')).toEqual(['a painting of mochi']);
    expect((await ann.command('imagine', { prompt: 'a painting of *mochi* @everyone' })).state).toBe('gone');
    const drawing = await bob.found('a painting of *mochi* @everyone');
    // Escaped, so that nothing in it is bold or a mention.
    expect(JSON.stringify(drawing.raw['components'])).toContain('\\\\*mochi\\\\* \\\\@everyone');
    await worker.draw(await set(channelId), await pixels(['cat-face', 'dog-face', 'fox', 'owl'], '#68a'));
    const drawn = await until(async () => {
      const message = await bob.found('a painting of *mochi*');
      return message.reactions.length === 4 ? message : null;
    }, 'pictures with numbers');
    expect(drawn.pictures).toHaveLength(4);
    expect(drawn.buttons.map(({ label }) => label)).toEqual(['Again', 'Details', 'Delete']);
    expect(drawn.choices).toEqual(
      ['Vary', 'Upscale', 'Emoji'].flatMap((verb) => [1, 2, 3, 4].map((n) => `${verb} ${n}`)),
    );

    await bob.react(drawn.id, '2️⃣');
    await cleo.react(drawn.id, '2️⃣');
    await bob.react(drawn.id, '3️⃣');
    await bob.unreact(drawn.id, '3️⃣');
    const voted = await bob.found('2 · 2️⃣ 2');
    expect(voted.text).not.toContain('3 · 3️⃣');
    // What has not changed is not sent again.
    expect(voted.pictures.map(({ url }) => new URL(url).pathname)).toEqual(
      drawn.pictures.map(({ url }) => new URL(url).pathname),
    );
    const ranking = await cleo.command('top');
    expect(ranking.state).toBe('gone');
    const top = await cleo.found('Best pictures');
    expect(top.text).toContain('a painting of *mochi*');
    expect(top.pictures).toHaveLength(1);

    const forbidden = await (await bob.press(drawn.id, 'Delete')).answered();
    expect(forbidden.onlyFor).toBe(bob.id);
    expect(forbidden.text).toContain('NOT_ALLOWED');
    await moderator.press(drawn.id, 'Delete');
    await until(async () => !(await bob.sees()).some(({ id }) => id === drawn.id), 'it is gone');
  });

  it('gets its champion by votes, announced with the winning picture', async () => {
    const { id: channelId, join } = await world.channel();
    const people = [await join('Ann'), await join('Bob'), await join('Cleo'), await join('Dan')];
    const [ann, ...others] = people as [Person, ...Person[]];
    const { worker, storage } = world;
    const [one, two] = await photos('fox');
    await ann.command('train', { subject: 'rex', class: 'dog', photo1: one!, photo2: two! });
    const trained = await run(channelId);
    const early = await worker.adapter(trained, 50, false);
    const late = await worker.adapter(trained, 100, true);
    // One grid, drawn by two checkpoints: the second and the fourth picture are the later one's.
    const { memberId, subjectId, settings, seed } = trained;
    const finals = await storage.records.addSet(
      newSet({
        channelId: trained.channelId,
        memberId,
        kind: 'finals',
        runId: trained.id,
        subjectId,
        seed,
        count: 4,
        settings,
        adapterId: late,
        state: 'running',
      }),
    );
    for (const [index, bytes] of (await pixels(['dog-face', 'fox', 'owl', 'frog'], '#bcd')).entries()) {
      const { hash } = await storage.blobs.put(bytes);
      await storage.records.addPicture({
        id: randomUUID(),
        setId: finals.id,
        index,
        blobHash: hash,
        width: 128,
        height: 128,
        seed: index,
        adapterId: index % 2 === 1 ? late : early,
      });
    }
    await storage.records.updateSet(finals.id, { state: 'done', endedAt: new Date() });
    const post = {
      id: randomUUID(),
      channelId: trained.channelId,
      kind: 'set',
      targetId: finals.id,
    } as const;
    await storage.records.addPost(post);
    await worker.finish(trained);
    const done = await ann.found('Which rex is the best');
    await until(async () => (await ann.found('Which rex is the best')).reactions.length === 4, 'numbers');
    for (const person of others) {
      await person.react(done.id, '2️⃣');
      await person.react(done.id, '4️⃣');
    }
    const announced = await ann.found('is the new champion of rex');
    expect(announced.pictures).toHaveLength(1);
    expect(announced.id).not.toBe(done.id);
  });

  it('counts reactions from while the bot was offline, and its old buttons work after a restart', async () => {
    const { id: channelId, join } = await world.channel();
    const [ann, bob, cleo] = [await join('Ann'), await join('Bob'), await join('Cleo')];
    await ann.command('imagine', { prompt: 'an owl', count: 1 });
    const owl = await set(channelId);
    await world.worker.draw(owl, await pixels(['owl'], '#486'));
    const drawn = await until(async () => {
      const message = await bob.found('an owl');
      return message.reactions.length === 1 ? message : null;
    });
    await bob.react(drawn.id, '👍🏽');
    await bob.found('👍 1');
    const machine = await world.discord.addUser('Other bot', { bot: true });
    await world.discord.react(machine, channelId, drawn.id, '👍');

    await world.stopBot();
    await bob.unreact(drawn.id, '👍🏽');
    await cleo.react(drawn.id, '❤️', true);
    await ann.react(drawn.id, '🔥');
    await world.startBot();
    await until(async () => {
      const { text } = await bob.found('an owl');
      return text.includes('🔥 1') && text.includes('❤️ 1') && !text.includes('👍');
    }, 'the votes of the time away');

    const details = await (await bob.press(drawn.id, 'Details')).answered();
    expect(details.text).toContain('seed');
    await bob.press(drawn.id, 'Again');
    const again = await until(async () =>
      (await bob.sees()).find(
        ({ id, text, onlyFor }) => onlyFor === null && id > drawn.id && text.includes('an owl'),
      ),
    );
    await bob.press(again.id, 'Cancel');
    await until(async () =>
      (await bob.sees()).find(({ id, text }) => id === again.id && text.includes('Cancelled')),
    );
  });
});

describe('a fault on Discord', () => {
  it("is reported to the caller with the missing permission when Krona can't post", async () => {
    const { id: channelId, join } = await world.channel();
    const ann = await join('Ann');
    for (const [names, said] of [
      [['ViewChannel'], 'View Channel'],
      [['SendMessages'], 'Send Messages'],
      [['ReadMessageHistory'], 'Read Message History'],
      [['AttachFiles', 'AddReactions'], 'Attach Files, Add Reactions'],
    ] as const) {
      await world.discord.forbid(channelId, names);
      const asked = await ann.command('imagine', { prompt: 'a fox' });
      expect(asked.answers[0]!.onlyFor).toBe(ann.id);
      expect(asked.answers[0]!.text).toContain(
        `lacks the permission ${said}. A server administrator can grant it`,
      );
    }
    const channel = await world.storage.records.channel('discord', channelId, 'x');
    expect((await world.storage.records.openWork(channel.id)).sets).toEqual([]);
  });

  it.each([
    [
      'may not see a channel',
      'permission View Channel',
      (channelId: string) => world.discord.forbid(channelId, ['ViewChannel']),
      (channelId: string) => world.discord.forbid(channelId, []),
    ],
    [
      'is put out of the server',
      'removed from its server',
      () => world.discord.putOut(),
      () => world.discord.letIn(),
    ],
  ] as const)('leaves its messages known while Krona %s', async (_, told, close, open) => {
    const { discord, worker, storage } = world;
    const { id: channelId, join } = await world.channel();
    const [ann, bob] = [await join('Ann'), await join('Bob')];
    const vainTry = () => until(() => world.problems.some((line) => line.includes(told)), 'a vain try');
    await ann.command('imagine', { prompt: 'a crane', count: 1 });
    const { id } = await ann.found('a crane');
    const drawn = await set(channelId);
    await close(channelId);
    await worker.draw(drawn, await pixels(['owl'], '#357'));
    await vainTry();
    await open(channelId);
    skipTime(FORBIDDEN_PAUSE);
    const shown = await until(async () => {
      const message = await ann.found('a crane');
      return message.reactions.length === 1 ? message : null;
    }, 'the picture, in the message of before');
    expect(shown.id).toBe(id);
    await bob.react(id, '👍');
    await ann.found('👍 1');
    // What is deleted meanwhile goes when it can.
    world.problems.splice(0);
    await close(channelId);
    await storage.records.deleteSet(drawn.id, 'deleted');
    await vainTry();
    await open(channelId);
    skipTime(FORBIDDEN_PAUSE);
    await until(async () => (await ann.sees()).length === 0, 'the message gone');
    expect(await discord.violations()).toEqual([]);
    world.problems.splice(0);
  });

  it('skips a photo that is too large, and says so', async () => {
    const { join } = await world.channel();
    const ann = await join('Ann');
    const [one] = await photos();
    const huge = { name: 'huge.png', bytes: Buffer.alloc(33 * 1024 ** 2) };
    const asked = await ann.command('photos add', {
      subject: 'mochi',
      class: 'cat',
      photo1: one!,
      photo2: huge,
    });
    expect(asked.answers[0]!.onlyFor).toBe(ann.id);
    expect(asked.answers[0]!.text).toMatch(
      /1 of 2 photos kept[^]*huge\.png has 33 MiB; at most 32 MiB are allowed/,
    );
  });

  it('continues in an archived thread, and waits in a locked one', async () => {
    const { discord, worker, storage } = world;
    const { id: channelId } = await world.channel();
    const thread = await discord.addThread(channelId, 'foxes');
    const ann = new Person(discord, await discord.addUser('Ann'), thread);
    const pictures = async (words: string) => (await ann.found(words)).pictures.length;
    await ann.command('imagine', { prompt: 'a fox' });
    const first = await ann.found('a fox');
    // Nobody wrote there for an hour, and edits do not keep a thread awake.
    await discord.archive(thread);
    await worker.draw(await set(thread), await pixels(['fox'], '#333'));
    await until(async () => (await pictures('a fox')) === 1, 'the picture in a new message');
    expect((await ann.found('a fox')).id).not.toBe(first.id);
    expect(await ann.sees()).toHaveLength(2);

    await ann.command('imagine', { prompt: 'an owl' });
    await ann.found('an owl');
    const owl = await set(thread);
    await discord.archive(thread, { locked: true });
    await worker.draw(owl, await pixels(['owl'], '#333'));
    await until(() => world.problems.some((line) => line.includes('This thread is locked')), 'a vain try');
    await discord.archive(thread, { locked: false });
    skipTime(FORBIDDEN_PAUSE);
    await until(async () => (await pictures('an owl')) === 1, 'the picture, once it is unlocked');
    expect(await storage.records.pictures(owl.id)).toHaveLength(1);
    expect(await ann.sees()).toHaveLength(4);

    // Nothing can be deleted in a thread that sleeps: it is woken, once it may be.
    const { id: setId } = owl;
    await discord.archive(thread, { locked: true });
    await storage.records.deleteSet(setId, 'By Ann.');
    await until(
      () => world.problems.filter((line) => line.includes('This thread is locked')).length > 1,
      'a vain try to delete',
    );
    await discord.archive(thread, { locked: false });
    skipTime(FORBIDDEN_PAUSE);
    await until(async () => (await ann.sees()).every(({ text }) => !text.includes('an owl')), 'none is left');
    world.problems.splice(0);
  });

  it('skips a photo whose link has expired, and says so', async () => {
    const { join } = await world.channel();
    const ann = await join('Ann');
    const message = await ann.say('mine', (await photos()).slice(0, 1));
    const asked = await ann.choose(message, 'Add photos to a subject');
    await world.discord.advance(25 * 3_600_000);
    const late = await ann.submit(asked.id, { subject: 'mochi', class: 'cat', consent: true });
    expect(late.answers[0]!.text).toContain('Krona could not fetch');
  });

  it('has no effect when rate limits are shared, or an answer is lost', async () => {
    const { id: channelId, join } = await world.channel();
    const ann = await join('Ann');
    const path = `^/channels/${channelId}/messages$`;
    const limit = { kind: 'limited' as const, retryAfter: 1, scope: 'shared' as const, times: 2 };
    await world.discord.trouble({ ...limit, method: 'POST', path });
    await world.discord.trouble({ ...limit, kind: 'answer lost', method: 'POST', path, times: 1 });
    await ann.command('imagine', { prompt: 'a fox' });
    await ann.found('a fox');
    await world.worker.draw(await set(channelId), await pixels(['fox'], '#333'));
    await until(async () => (await ann.found('a fox')).pictures.length === 1, 'the picture');
    const messages: MessageView[] = await ann.sees();
    expect(messages.filter(({ text }) => text.includes('a fox'))).toHaveLength(1);
    // The connection that broke is told of, as nobody but the administrator can mend it.
    world.problems.splice(0);
  });

  it("doesn't stop a set whose message is deleted while it is drawn", async () => {
    const { id: channelId, join } = await world.channel();
    const ann = await join('Ann');
    await ann.command('imagine', { prompt: 'a frog' });
    const posted = await ann.found('a frog');
    await world.discord.deleteMessage(channelId, posted.id);
    const drawn = await set(channelId);
    await world.worker.draw(drawn, await pixels(['frog'], '#777'));
    await until(async () => {
      const post = await world.storage.records.postOf(drawn.id);
      return post!.shownRevision === (await world.storage.records.set(drawn.id))!.revision;
    }, 'the end of trying to show it');
    expect(await ann.sees()).toEqual([]);
  });

  it('is repaired after a lost connection, with or without a resumed session', async () => {
    const { id: channelId, join } = await world.channel();
    const [ann, bob] = [await join('Ann'), await join('Bob')];
    await ann.command('imagine', { prompt: 'a bee', count: 1 });
    await world.worker.draw(await set(channelId), await pixels(['honeybee'], '#eed'));
    const drawn = await until(async () => {
      const message = await ann.found('a bee');
      return message.reactions.length === 1 ? message : null;
    });
    const before = await world.discord.connections();
    await world.discord.drop({});
    await bob.react(drawn.id, '👍');
    await ann.found('👍 1');
    expect((await world.discord.connections()).resumed).toBe(before.resumed + 1);

    const tries = await world.discord.tries();
    await world.discord.drop({ down: true });
    await bob.react(drawn.id, '🎉');
    await until(async () => (await world.discord.tries()) > tries, 'a vain try to connect');
    await world.discord.up();
    await ann.found('🎉 1');

    await world.discord.drop({ forget: true });
    await bob.react(drawn.id, '🔥');
    await ann.found('🔥 1');
    expect((await world.discord.connections()).identified).toBe(before.identified + 2);

    await world.discord.clearReactions(channelId, drawn.id);
    await until(async () => !(await ann.found('a bee')).text.includes('👍'), 'the votes gone');
    world.problems.splice(0);
  });
});
