/** The whole conversation in a Slack channel, over Socket Mode, as its members see it. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PictureSet, Run, VoteFact } from '../../core/records.ts';
import { imagesOf, labelsOf, type Person, textOf } from '../fakes/slack/fake-slack.ts';
import { BOT_USER, type Json, type Message } from '../fakes/slack/workspace.ts';
import { until } from '../helpers/until.ts';
import { catPhotos, drawings, SlackWorld } from './slack-world.ts';

// Many messages in a test, of which Slack takes one a second.
let world: SlackWorld;
/** A channel and people of each test's own; Ada is an admin. */
let tests = 0;
let mia: Person;
let ben: Person;
let ada: Person;
let channel: string;

beforeAll(async () => {
  world = await SlackWorld.open();
}, 300_000);
beforeEach(async () => {
  const { slack } = world;
  tests++;
  [mia, ben, ada] = [
    await slack.person(`Mia${tests}`),
    await slack.person(`Ben${tests}`),
    await slack.person(`Ada${tests}`, { admin: true }),
  ];
  channel = await slack.channel(`pets-${tests}`, [mia, ben, ada]);
});
afterEach(async () => {
  const { problems, acks, limited } = await world.slack.see();
  expect(problems).toEqual([]);
  expect(Math.max(0, ...acks)).toBeLessThan(3_000);
  expect(limited).toEqual({});
  expect(world.log).toEqual([]);
});
afterAll(() => world.close());

const channelRecord = async () =>
  (await world.storage.records.channels('slack')).find(({ externalId }) => externalId === channel)!;
const blocksOf = (form: Json | null): Json[] => (form?.['blocks'] as Json[] | undefined) ?? [];

/** How many of the bot's files Slack has that no message shows. */
async function unshownFiles(): Promise<number> {
  const { files, channels, ephemerals } = await world.slack.see();
  const shown = new Set([
    ...Object.values(channels)
      .flat()
      .flatMap((message) => [...imagesOf(message.blocks), ...message.files]),
    ...ephemerals.flatMap(({ blocks }) => imagesOf(blocks)),
  ]);
  return files.filter(({ id, owner, deleted }) => owner === BOT_USER && !deleted && !shown.has(id)).length;
}

/** Mia gives photos of mochi, by the form. */
async function photosGiven(count: number): Promise<void> {
  await mia.types(channel, 'photos add subject:mochi class:cat');
  await until(() => mia.form(), 'the form');
  expect(await mia.submits({ consent: true }, await catPhotos(count))).toBeNull();
  await world.message(channel, `${count} photos of mochi added`);
}

/** Mia has mochi trained. Returns the run, which waits, and its message. */
async function trainingAsked(): Promise<{ run: Run; first: Message }> {
  await photosGiven(4);
  await mia.types(channel, 'train subject:mochi');
  await until(() => mia.form(), 'the form');
  expect(await mia.submits({})).toBeNull();
  const first = await world.message(channel, 'Training of mochi is queued');
  return { run: await world.openRun(channel), first };
}

/** The worker ends a run of mochi with the adapter of its last step as champion. */
async function ended(run: Run): Promise<void> {
  const end = await world.worker.adapter(run, run.settings.steps, true);
  await world.storage.records.setChampion(run.subjectId, end, false);
  await world.worker.picturesOfRun(run, 'finals', end, await drawings(4));
  await world.worker.finish(run);
}

/** The adapter's message in the thread of a run's. */
const inThread = (first: Message): Promise<Message> =>
  until(
    async () =>
      (await world.slack.see()).channels[channel]!.find(
        ({ thread, files }) => thread === first.ts && files.length > 0,
      ),
    'the adapter in the thread',
  );

/** Each set has pictures of its own: a file that another set shows is not deleted. */
let foxTurn = 100;

/** A set of four pictures that Ben has asked for, with the numbers to vote with. */
async function foxes(): Promise<{ set: PictureSet; shown: Message }> {
  await ben.types(channel, 'imagine a fox');
  const set = await world.openSet(channel);
  await world.worker.draw(set, await drawings(4, (foxTurn += 10)));
  const shown = await until(async () => {
    const message = await world.message(channel, 'a fox');
    return imagesOf(message.blocks).length === 4 && message.reactions.length === 4 ? message : null;
  }, 'pictures');
  return { set, shown };
}

describe('a Slack channel', () => {
  it('shows help and mistakes only to the caller', async () => {
    expect(await mia.types(channel, '')).toBe(true);
    const help = await world.whisper(mia, 'Train Krona with your photos');
    expect(textOf(help.blocks)).toContain('/krona train');
    await mia.types(channel, 'imagin a fox');
    await world.whisper(mia, /There is no command “imagin”.*imagine/);
    expect(await world.slack.messages(channel)).toEqual([]);
  });

  it('takes photos in a form that is prefilled and requires consent', async () => {
    await mia.types(channel, 'photos add subject:mochi class:cat');
    const form = await until(() => mia.form(), 'the form');
    expect(form['title']).toMatchObject({ text: 'Add photos' });
    const subject = blocksOf(form).find(({ block_id: id }) => id === 'subject')!;
    expect(subject['element']).toMatchObject({ initial_option: { value: 'mochi' } });
    const two = await catPhotos(2);
    await expect(mia.submits({}, two)).rejects.toThrow(/Consent.*complete/);
    const good = [...two, { name: 'notes.png', bytes: Buffer.from('not a picture') }];
    expect(await mia.submits({ consent: true }, good)).toBeNull();
    const posted = await world.message(channel, '2 photos of mochi added');
    expect(textOf(posted.blocks)).not.toContain('not a picture');
    const verdict = await world.whisper(mia, '2 of 3 photos kept');
    expect(textOf(verdict.blocks)).toMatch(/notes\.png is not a readable image/);
    expect(await ben.whispers()).toEqual([]);
  });

  it('takes photos by the shortcut, from own messages only, and suggests subjects', async () => {
    await photosGiven(2);
    const ts = await ben.says(channel, 'look at her', (await catPhotos(4)).slice(2));
    expect(await mia.usesShortcut(channel, ts)).toBe(true);
    await world.whisper(mia, "Only the sender can submit a message's photos");
    expect(await mia.form()).toBeNull();
    await ben.usesShortcut(channel, ts);
    const form = await until(() => ben.form(), 'the form');
    expect(textOf(blocksOf(form))).toContain('2 files of the message');
    expect(await ben.suggestions('subject', 'mo')).toEqual(['mochi', 'mo (new)']);
    expect(await ben.suggestions('subject', 'Mochi')).toEqual(['mochi']);
    expect(await ben.submits({ subject: 'mochi', consent: true })).toBeNull();
    await world.message(channel, 'mochi now has 4 of at most 20 photos');
    await ben.types(channel, 'photos list subject:mochi');
    const list = await world.whisper(ben, '4 photos of mochi');
    expect(imagesOf(list.blocks)).toHaveLength(4);
    expect(textOf(list.blocks)).toMatch(/1 · Mia[^]*3 · Ben/);
  });

  it('names each photo that is gone or too large, and keeps the others', async () => {
    const [one, two] = (await catPhotos(6)).slice(4);
    const huge = { name: 'huge.png', bytes: Buffer.alloc(33 * 1024 ** 2) };
    const ts = await ben.says(channel, 'three', [one!, two!, huge]);
    await ben.usesShortcut(channel, ts);
    await until(() => ben.form(), 'the form');
    const gone = (await world.slack.see()).files.findLast(({ name }) => name === two!.name)!;
    await world.slack.act('deleteFile', { file: gone.id });
    await ben.submits({ subject: 'rex', class: 'dog', consent: true });
    const verdict = textOf((await world.whisper(ben, '1 of 3 photos kept')).blocks);
    expect(verdict).toMatch(new RegExp(`${two!.name} was deleted on Slack`));
    expect(verdict).toContain('huge.png has 33 MiB; at most 32 MiB are allowed');
  });

  it('updates one message for a run: position, progress, curve, samples, result', async () => {
    const { run, first } = await trainingAsked();
    expect(labelsOf(first.blocks)).toEqual(['Cancel', 'Samples', 'Settings']);
    await world.worker.progress(run, Math.floor(run.settings.steps / 2), 40);
    const learning = await world.message(channel, 'Training mochi');
    expect(textOf(learning.blocks)).toMatch(/▰▰▰▰▰▰▰▰▰▰▱▱▱▱▱▱▱▱▱▱ {2}50% · training/);
    expect(imagesOf(learning.blocks)).toHaveLength(1);
    const curve = learning.blocks.find(({ type }) => type === 'image')!;
    expect(curve['alt_text']).toMatch(/^loss: [\d.]+ at 5 → [\d.]+ at \d+$/);

    const half = await world.worker.adapter(run, Math.floor(run.settings.steps / 2), false);
    await world.worker.picturesOfRun(run, 'samples', half, await drawings(2));
    await world.worker.progress(run, Math.floor(run.settings.steps / 2) + 5, 30);
    await until(
      async () => imagesOf((await world.message(channel, 'Training mochi')).blocks).length === 3,
      'samples',
    );

    await ended(run);
    const learnt = await world.message(channel, 'mochi is trained');
    expect(learnt.ts).toBe(first.ts);
    expect(imagesOf(learnt.blocks)).toHaveLength(1);
    await until(
      async () => imagesOf((await world.message(channel, 'Which mochi is the best')).blocks).length === 4,
      'the result',
    );
    const link = /<(http:[^|]+)\|(mochi-\d+-\w+\.safetensors)>/.exec(textOf(learnt.blocks))!;
    expect((await fetch(link[1]!.replaceAll('&amp;', '&'))).status).toBe(200);
    const file = await inThread(first);
    const { name } = (await world.slack.see()).files.find(({ id }) => id === file.files[0])!;
    expect(name).toBe(link[2]);
    // Curves and samples that no message shows any more are not left lying at Slack.
    await until(async () => (await unshownFiles()) === 0, 'old files deleted');
  });

  it('draws, and adds the numbers to vote with', async () => {
    await ben.types(channel, 'imagine <!channel> *a* watercolour of mochi & <@U123>');
    const { id: setId } = await world.openSet(channel);
    await world.worker.draw((await world.storage.records.set(setId))!, await drawings(4, 30));
    const set = await until(async () => {
      const message = await world.message(channel, 'watercolour of mochi');
      return imagesOf(message.blocks).length === 4 && message.reactions.length === 4 ? message : null;
    }, 'pictures');
    expect(set.reactions.map(({ name }) => name)).toEqual(['one', 'two', 'three', 'four']);
    expect(labelsOf(set.blocks)).toEqual([
      ...['Vary', 'Upscale', 'Emoji'].flatMap((verb) => [1, 2, 3, 4].map((n) => `${verb} ${n}`)),
      ...['Again', 'Details', 'Delete'],
    ]);
    const alts = set.blocks.filter(({ type }) => type === 'image').map(({ alt_text: alt }) => String(alt));
    expect(alts[2]).toMatch(/watercolour of mochi.*picture 3 of 4/);
    expect(set.text).toContain('&lt;!channel&gt;');
  });

  it('has rules for the members and groups that moderators mention', async () => {
    await world.slack.act('addGroup', { id: 'S0ARTISTS', handle: 'artists', users: [mia.id] });
    await ada.types(channel, 'rules roles right:imagine who:@artists');
    await world.whisper(ada, 'members with role S0ARTISTS');
    await ben.types(channel, 'imagine a fox');
    await world.whisper(ben, 'NOT_ALLOWED');
    await ada.types(channel, 'rules roles right:imagine who:everyone');
    await world.whisper(ada, /S0ARTISTS → everyone/);
    await ada.types(channel, `rules block @${ben.name.toLowerCase()}`);
    await world.whisper(ada, `${ben.name} blocked`);
    await ben.types(channel, 'imagine a fox');
    await world.whisper(ben, 'BLOCKED');
    await ada.types(channel, `rules unblock @${ben.name.toLowerCase()}`);
    await world.whisper(ada, `${ben.name} unblocked`);
  });

  it('counts votes, ignores bots, and removes votes', async () => {
    const robot = await world.slack.person('Robot', { bot: true });
    await world.slack.act('channel', { channel, join: robot.id });
    const { set, shown } = await foxes();
    const standing = async () => {
      const stands = new Map<string, boolean>();
      for (const fact of await world.storage.records.voteFacts(set.id))
        stands.set(`${fact.memberId} ${fact.emoji} ${fact.pictureId}`, fact.added);
      return [...stands.values()].filter(Boolean).length;
    };
    await mia.reacts(channel, shown.ts, 'two');
    await robot.reacts(channel, shown.ts, 'one');
    await ada.reacts(channel, shown.ts, 'two');
    await until(async () => (await standing()) === 2, 'two votes');
    await until(
      async () => textOf((await world.message(channel, 'a fox')).blocks).includes('2 · 2️⃣ 2'),
      'the votes shown',
    );
    await ada.reacts(channel, shown.ts, 'two', false);
    await until(async () => (await standing()) === 1, 'one vote');
  });

  it('draws again, varies, and shows details to the member who asks', async () => {
    const { shown } = await foxes();
    // On a busy machine the message can still be edited when its pictures are there.
    const details = () => mia.presses(channel, shown.ts, 'Details').catch(() => null);
    expect(await until(details, 'a choice of details')).toBe(true);
    const told = await world.whisper(mia, 'seed');
    expect(textOf(told.blocks)).toContain('guidance');
    const before = (await world.slack.messages(channel)).length;
    await mia.presses(channel, shown.ts, 'Vary 2');
    const varied = await world.openSet(channel);
    expect(varied.variationOf).not.toBeNull();
    await until(async () => (await world.slack.messages(channel)).length === before + 1, 'its message');
  });

  it('lets only the requester cancel a queued job', async () => {
    await mia.types(channel, 'imagine a fox');
    const waiting = await world.message(channel, 'a fox');
    expect(labelsOf(waiting.blocks)).toContain('Cancel');
    await ben.presses(channel, waiting.ts, 'Cancel');
    await world.whisper(ben, /NOT_ALLOWED/);
    await mia.presses(channel, waiting.ts, 'Cancel');
    await until(
      async () =>
        (await world.slack.messages(channel)).some(
          ({ ts, blocks }) => ts === waiting.ts && textOf(blocks).includes('Cancelled'),
        ),
      'cancelled',
    );
  });

  it('keeps votes from while it was offline, and its buttons work after a restart', async () => {
    const { set, shown } = await foxes();
    await mia.reacts(channel, shown.ts, 'two');
    const facts = () => world.storage.records.voteFacts(set.id);
    await until(async () => (await facts()).length === 1, 'a vote');
    await world.stopBot();
    await ben.reacts(channel, shown.ts, 'three');
    await mia.reacts(channel, shown.ts, 'two', false);
    expect(await mia.types(channel, 'queue')).toBe(false);
    await world.startBot();
    const last = (list: readonly VoteFact[], name: string) =>
      list.filter(({ emoji }) => emoji === name).at(-1);
    await until(async () => {
      const list = await facts();
      return last(list, 'three')?.added === true && last(list, 'two')?.added === false;
    }, 'both caught up with');
    await mia.presses(channel, shown.ts, 'Details');
    await world.whisper(mia, 'guidance');
  });

  it('announces a champion that the votes chose', async () => {
    const { run } = await trainingAsked();
    await world.worker.adapter(run, Math.floor(run.settings.steps / 2), false);
    await ended(run);
    const { records, blobs } = world.storage;
    const record = await channelRecord();
    const subject = (await records.subjectByName(record.id, 'mochi'))!;
    const adapters = (await records.adapters(record.id)).filter(({ subjectId }) => subjectId === subject.id);
    const other = adapters.find(({ id }) => id !== subject.championId)!;
    const [cleo, dan] = [await world.slack.person('Cleo'), await world.slack.person('Dan')];
    for (const { id } of [cleo, dan]) await world.slack.act('channel', { channel, join: id });
    await mia.types(channel, 'imagine mochi in the snow');
    const drawn = await world.openSet(channel);
    // The first picture is by the other adapter, as in a run's result, which compares its checkpoints.
    for (const [index, bytes] of (await drawings(4)).entries()) {
      const { hash: blobHash } = await blobs.put(bytes);
      const adapterId = index === 0 ? other.id : subject.championId;
      const size = { width: 128, height: 128, seed: index };
      await records.addPicture({ id: randomUUID(), setId: drawn.id, index, blobHash, ...size, adapterId });
    }
    await records.updateSet(drawn.id, { state: 'done', progress: null, endedAt: new Date() });
    const message = await until(async () => {
      const found = await world.message(channel, 'mochi in the snow');
      return imagesOf(found.blocks).length === 4 ? found : null;
    }, 'its pictures');
    for (const person of [ben, ada, cleo, dan]) await person.reacts(channel, message.ts, 'one');
    const crowned = await world.message(channel, /is the new champion of mochi/);
    expect(imagesOf(crowned.blocks)).toHaveLength(1);
    expect((await records.subject(subject.id))!.championId).toBe(other.id);
  });

  it('hides possibly adult (NSFW) pictures until somebody asks to see them', async () => {
    await mia.types(channel, 'imagine something bare count:1');
    const { records, blobs } = world.storage;
    const { id: setId } = await world.openSet(channel);
    const { hash: blobHash } = await blobs.put((await drawings(1, 60))[0]!);
    const size = { width: 128, height: 128, seed: 1, index: 0, adapterId: null };
    await records.addPicture({ id: randomUUID(), setId, blobHash, ...size, unsafe: 0.9, sensitive: true });
    await records.updateSet(setId, { state: 'done', progress: null, endedAt: new Date() });
    const hidden = await until(async () => {
      const message = await world.message(channel, 'something bare');
      // Its first message is of a set that is being drawn, which only its next one shows as done.
      const done = labelsOf(message.blocks).includes('Delete');
      return done && textOf(message.blocks).includes('Hidden') ? message : null;
    }, 'the hidden picture');
    expect(imagesOf(hidden.blocks)).toEqual([]);
    await ben.presses(channel, hidden.ts, 'Show');
    const shown = await world.whisper(ben, 'something bare');
    expect(imagesOf(shown.blocks)).toHaveLength(1);
    expect(imagesOf((await world.message(channel, 'something bare')).blocks)).toEqual([]);

    // With the set goes also what was shown to one alone.
    await mia.presses(channel, hidden.ts, 'Delete');
    await until(async () => {
      const { files } = await world.slack.see();
      return files.find(({ id }) => id === imagesOf(shown.blocks)[0])!.deleted;
    }, 'its file is gone');
  });

  it('deletes pictures only for their requester and admins, in the message and on Slack', async () => {
    const { shown: message } = await foxes();
    const shown = imagesOf(message.blocks);
    await mia.presses(channel, message.ts, 'Delete');
    await world.whisper(mia, /delete these pictures/);
    await ada.presses(channel, message.ts, 'Delete');
    expect(shown).toHaveLength(4);
    await until(async () => {
      const { channels, files } = await world.slack.see();
      return (
        !channels[channel]!.some(({ ts }) => ts === message.ts) &&
        files.every(({ id, deleted }) => deleted || !shown.includes(id))
      );
    }, 'message and files are gone');
  });

  it('shows members their subjects and runs on the Home tab', async () => {
    const { run } = await trainingAsked();
    await ended(run);
    await mia.opensHome();
    const home = await until(async () => (await world.slack.see()).homes[mia.id], 'the Home tab');
    const text = textOf(home['blocks'] as Json[]);
    expect(text).toMatch(new RegExp(`\\*mochi\\* \\(cat\\) in <#${channel}>: 4 of 20 photos, trained`));
    expect(text).toMatch(/✅ done: mochi/);
    expect(text).toMatch(new RegExp(`<#${channel}>: You: 1 of 10 trainings in 24 hours\\.`));
    expect(text).toMatch(new RegExp(`<#${channel}>: This channel: \\d+ of 1000 pictures in an hour\\.`));
  });

  it('also removes deleted files from threads, with the message that shared them', async () => {
    const { run, first } = await trainingAsked();
    await ended(run);
    await world.message(channel, 'Which mochi is the best');
    await inThread(first);
    const inThreads = async () => {
      const { channels, files } = await world.slack.see();
      return channels[channel]!.filter(({ thread }) => thread !== null).map(
        (message) => files.find(({ id }) => id === message.files[0])!.name,
      );
    };
    const { length: before } = await world.slack.messages(channel);
    const [file, ...others] = await inThreads();
    expect(others).toEqual([]);
    await ada.types(channel, `adapters delete ${file!.replace('.safetensors', '')}`);
    await until(async () => (await inThreads()).length === 0, 'its message to go');
    const { files } = await world.slack.see();
    expect(files.find(({ name }) => name === file)!.deleted).toBe(true);
    // What stands in the channel and only shows pictures stays.
    expect((await world.slack.messages(channel)).length).toBeGreaterThanOrEqual(before);
    expect(textOf((await world.message(channel, 'mochi is trained')).blocks)).toContain('mochi');
  });
});
