/** @file What every RecordStore does. Tests share one database, so each begins with a channel of its own. */
import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Channel, Member, Subject } from '../../../core/records.ts';
import type { RecordStore, Records } from '../../../storage/records.ts';
import { DEFAULT_SERVER_RULES, defaultRules, type Reach } from '../../../core/rules.ts';
import { newSet as setOf } from '../../helpers/new-records.ts';
import { DEFAULT_SETTINGS } from '../../../core/settings/defaults.ts';
import type { WorkerFacts } from '../../../core/workers.ts';

const hash = (digit: string): string => digit.repeat(64);

/** @param open a new connection to the same database each time, as bot and worker have */
export function runRecordStoreTests(open: () => Promise<RecordStore>): void {
  let bot: RecordStore;
  let worker: RecordStore;

  beforeAll(async () => {
    // At the same time, as `krona start` does: both bring the tables up to date.
    [bot, worker] = await Promise.all([open(), open()]);
  });
  afterAll(async () => {
    await bot?.close();
    await worker?.close();
  });

  async function newChannel(): Promise<{ channel: Channel; ann: Member; bob: Member }> {
    const channel = await bot.channel('discord', randomUUID(), 'pets');
    const ann = await bot.member('discord', randomUUID(), 'Ann');
    const bob = await bot.member('discord', randomUUID(), 'Bob');
    return { channel, ann, bob };
  }

  function newSubject(channel: Channel, owner: Member, name = 'Mochi', on: Records = bot): Promise<Subject> {
    return on.addSubject({
      id: randomUUID(),
      channelId: channel.id,
      name,
      className: 'cat',
      token: 'sks',
      ownerId: owner.id,
    });
  }

  const newRun = (subject: Subject) =>
    bot.addRun({
      id: randomUUID(),
      channelId: subject.channelId,
      subjectId: subject.id,
      memberId: subject.ownerId,
      state: 'queued',
      settings: DEFAULT_SETTINGS,
      seed: 4_294_967_295,
      photoHashes: [hash('a'), hash('b')],
    });

  const newSet = (channel: Channel, member: Member, more: { runId?: string; subjectId?: string } = {}) =>
    bot.addSet({
      id: randomUUID(),
      channelId: channel.id,
      memberId: member.id,
      kind: more.runId === undefined ? 'imagine' : 'samples',
      runId: more.runId ?? null,
      subjectId: more.subjectId ?? null,
      prompt: 'a watercolour of mochi 🐈 مرحبا',
      negative: null,
      seed: 7,
      count: 2,
      strength: 0.8,
      settings: DEFAULT_SETTINGS,
      adapterId: null,
      state: 'queued',
    });

  const newPicture = async (setId: string, index = 0, on: Records = bot): Promise<string> => {
    const id = randomUUID();
    const size = { width: 128, height: 128 };
    await on.addPicture({ id, setId, index, blobHash: hash('c'), ...size, seed: 7 + index, adapterId: null });
    return id;
  };

  const newAdapter = async (runId: string, subject: Subject, step: number): Promise<string> => {
    const id = randomUUID();
    const { channelId } = subject;
    const file = { blobHash: hash('d'), size: 123_456, settings: DEFAULT_SETTINGS };
    await worker.addAdapter({ id, runId, subjectId: subject.id, channelId, step, final: false, ...file });
    return id;
  };

  it('recognises a channel, with its settings and its latest name', async () => {
    const externalId = randomUUID();
    const [first, same] = await Promise.all([
      bot.channel('web', externalId, 'general'),
      worker.channel('web', externalId, 'general'),
    ]);
    expect(same.id).toBe(first.id);
    expect(first.settings).toEqual(DEFAULT_SETTINGS);

    const settings = { ...DEFAULT_SETTINGS, a1: 8, lr: 5e-4, scheduler: 'euler' as const };
    await bot.saveSettings(first.id, settings);
    const renamed = await worker.channel('web', externalId, 'emoji');
    expect(renamed).toEqual({ ...first, name: 'emoji', settings });
    expect(await worker.channelById(first.id)).toEqual(renamed);
    expect(await worker.channelByExternalId('web', externalId)).toEqual(renamed);
    expect(await worker.channelByExternalId('slack', externalId)).toBeNull();
    expect((await bot.channels('web')).map(({ id }) => id)).toContain(first.id);
    expect((await bot.channels('slack')).map(({ id }) => id)).not.toContain(first.id);
  });

  it('keeps the members of two platforms apart', async () => {
    const externalId = randomUUID();
    const web = await bot.member('web', externalId, 'Ann');
    const slack = await bot.member('slack', externalId, 'Ann');
    expect(slack.id).not.toBe(web.id);
    expect((await bot.members([web.id, slack.id])).length).toBe(2);
    expect(await bot.members([])).toEqual([]);
  });

  it('keeps the name of a member whom the platform does not name', async () => {
    const externalId = randomUUID();
    const unnamed = await bot.member('slack', externalId, externalId);
    const named = await bot.member('slack', externalId, 'Ann');
    expect([unnamed.name, named.name]).toEqual([externalId, 'Ann']);
    expect(await worker.member('slack', externalId, externalId)).toEqual(named);
  });

  it('finds a subject by its name in any case, and refuses a second one with that name', async () => {
    const { channel, ann } = await newChannel();
    const subject = await newSubject(channel, ann, 'Möchi');
    expect(await bot.subjectByName(channel.id, 'MÖCHI')).toEqual(subject);
    await expect(newSubject(channel, ann, 'möCHI')).rejects.toMatchObject({ code: 'SUBJECT_EXISTS' });
    await expect(newSubject((await newChannel()).channel, ann, 'möchi')).resolves.toBeDefined();
    expect(await bot.subjects(channel.id)).toEqual([subject]);
  });

  it('lets only one of two members create a subject with a name at the same time', async () => {
    const { channel, ann, bob } = await newChannel();
    const both = await Promise.allSettled([
      newSubject(channel, ann, 'Mochi', bot),
      newSubject(channel, bob, 'mochi', worker),
    ]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('keeps a photo once per subject, from any sender, in order of arrival', async () => {
    const { channel, ann, bob } = await newChannel();
    const subject = await newSubject(channel, ann);
    const photo = (member: Member, blobHash: string) => ({
      id: randomUUID(),
      subjectId: subject.id,
      memberId: member.id,
      blobHash,
      width: 640,
      height: 480,
      fileName: 'cat.png',
    });
    expect(await bot.addPhoto(photo(ann, hash('2')))).toBe(true);
    expect(await bot.addPhoto(photo(bob, hash('1')))).toBe(true);
    expect(await bot.addPhoto(photo(bob, hash('2')))).toBe(false);
    const photos = await bot.photos(subject.id);
    expect(photos.map(({ blobHash }) => blobHash)).toEqual([hash('2'), hash('1')]);
    await bot.removePhoto(photos[0]!.id);
    expect((await bot.photos(subject.id)).length).toBe(1);
  });

  it("keeps photos' captions, and those that a run used", async () => {
    const { channel, ann } = await newChannel();
    const subject = await newSubject(channel, ann);
    const file = { width: 64, height: 64, fileName: 'cat.png' };
    const id = randomUUID();
    const photo = { subjectId: subject.id, memberId: ann.id, ...file };
    await bot.addPhoto({ ...photo, id, blobHash: hash('2'), caption: "asleep on “grass”, 'now'" });
    await bot.addPhoto({ ...photo, id: randomUUID(), blobHash: hash('3') });
    const captions = async () => (await worker.photos(subject.id)).map(({ caption }) => caption);
    expect(await captions()).toEqual(["asleep on “grass”, 'now'", null]);
    await bot.setCaption(id, 'in a box');
    expect(await captions()).toEqual(['in a box', null]);
    await bot.setCaption(id, null);
    expect(await captions()).toEqual([null, null]);
    await expect(bot.setCaption(randomUUID(), 'x')).rejects.toMatchObject({ code: 'PHOTO_NOT_FOUND' });

    const run = await newRun(subject);
    expect(run.photoPrompts).toEqual([]);
    const photoPrompts = ['a sks cat, "in" a {box}', null];
    const told = await bot.addRun({ ...run, id: randomUUID(), photoPrompts });
    expect((await worker.run(told.id))!.photoPrompts).toEqual(photoPrompts);
  });

  it('returns a run as it was written, with a higher revision after every change', async () => {
    const { channel, ann } = await newChannel();
    const run = await newRun(await newSubject(channel, ann));
    expect(run).toMatchObject({
      state: 'queued',
      seed: 4_294_967_295,
      losses: [],
      scores: [],
      progress: null,
      failure: null,
    });
    expect(run.photoHashes).toEqual([hash('a'), hash('b')]);

    const startedAt = new Date();
    const progress = { step: 3, steps: 200, secondsLeft: null, phase: 'training' };
    const losses = [{ step: 3, loss: 0.125 }];
    const scores = [{ step: 3, fidelity: 0.5, alignment: 0.25, score: 1 / 3 }];
    await worker.updateRun(run.id, { state: 'running', startedAt, progress, losses, scores });
    const running = (await bot.run(run.id))!;
    expect(running).toEqual({
      ...run,
      state: 'running',
      startedAt,
      progress,
      losses,
      scores,
      revision: running.revision,
    });
    expect(running.revision).toBeGreaterThan(run.revision);

    const failure = { code: 'DISK_FULL', message: 'The disk is full.' };
    await worker.updateRun(run.id, { state: 'failed', failure, progress: null });
    expect(await bot.run(run.id)).toMatchObject({ state: 'failed', failure, progress: null, losses });
  });

  it('reports a missing record when it should change', async () => {
    const nobody = randomUUID();
    await expect(bot.updateRun(nobody, { state: 'done' })).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' });
    await expect(bot.updateSet(nobody, { state: 'done' })).rejects.toMatchObject({ code: 'SET_NOT_FOUND' });
    await expect(newPicture(nobody)).rejects.toMatchObject({ code: 'RECORD_GONE' });
    await expect(bot.run('me')).rejects.toMatchObject({ code: 'ID_INVALID' });
    const tooMany = { channelId: nobody, words: [], subjectId: null, memberId: null, likes: 2 ** 40 };
    await expect(bot.gallery(tooMany, { before: null, after: null }, 1)).rejects.toMatchObject({
      code: 'NUMBER_TOO_LARGE',
    });
    expect(await bot.run(nobody)).toBeNull();
  });

  it('lists runs newest first, and open jobs oldest first', async () => {
    const { channel, ann } = await newChannel();
    const subject = await newSubject(channel, ann);
    const first = await newRun(subject);
    const second = await newRun(subject);
    const third = await newRun(subject);
    const set = await newSet(channel, ann);
    expect((await bot.runs(channel.id, 2)).map(({ id }) => id)).toEqual([third.id, second.id]);

    await worker.updateRun(second.id, { state: 'cancelled', endedAt: new Date() });
    const open = await bot.openWork(channel.id);
    expect(open.runs.map(({ id }) => id)).toEqual([first.id, third.id]);
    expect(open.sets.map(({ id }) => id)).toEqual([set.id]);
  });

  it('keeps one adapter per run and step, so a resumed run can write its checkpoints again', async () => {
    const { channel, ann } = await newChannel();
    const subject = await newSubject(channel, ann);
    const run = await newRun(subject);
    const first = await newAdapter(run.id, subject, 50);
    await newAdapter(run.id, subject, 50);
    const second = await newAdapter(run.id, subject, 100);
    expect((await bot.adapters(channel.id)).map(({ id }) => id)).toEqual([second, first]);
    expect(await bot.adapter(first)).toMatchObject({ step: 50, size: 123_456, settings: DEFAULT_SETTINGS });
    expect((await bot.run(run.id))!.revision).toBeGreaterThan(run.revision);
  });

  it('removes a deleted adapter from everything that used it', async () => {
    const { channel, ann } = await newChannel();
    const subject = await newSubject(channel, ann);
    const adapter = await newAdapter((await newRun(subject)).id, subject, 10);
    await bot.setChampion(subject.id, adapter, true);
    expect(await bot.subject(subject.id)).toMatchObject({ championId: adapter, championPinned: true });
    await bot.deleteAdapter(adapter);
    expect(await bot.subject(subject.id)).toMatchObject({ championId: null });
    expect(await bot.adapter(adapter)).toBeNull();
  });

  it('keeps one picture per place in a set, and raises the revision of its set and its run', async () => {
    const { channel, ann } = await newChannel();
    const subject = await newSubject(channel, ann);
    const run = await newRun(subject);
    const set = await newSet(channel, ann, { runId: run.id, subjectId: subject.id });
    const second = await newPicture(set.id, 1, worker);
    const first = await newPicture(set.id, 0, worker);
    await newPicture(set.id, 0, worker);
    expect((await bot.pictures(set.id)).map(({ id }) => id)).toEqual([first, second]);
    expect(await bot.picture(second)).toMatchObject({ setId: set.id, index: 1, seed: 8 });
    expect((await bot.set(set.id))!.revision).toBeGreaterThan(set.revision);
    expect((await bot.run(run.id))!.revision).toBeGreaterThan(run.revision);
    expect(await bot.setsOfRun(run.id)).toEqual([await bot.set(set.id)]);
  });

  it('keeps every vote as a fact, and knows which count', async () => {
    const { channel, ann, bob } = await newChannel();
    const set = await newSet(channel, ann);
    const pictureId = await newPicture(set.id);
    const vote = (member: Member, emoji: string, added: boolean) =>
      bot.addVote({ pictureId, memberId: member.id, emoji, added });

    expect(await vote(ann, '👍', false)).toBe(false);
    expect(await vote(ann, '👍', true)).toBe(true);
    expect(await vote(ann, '👍', true)).toBe(false);
    expect(await vote(ann, '❤️', true)).toBe(true);
    expect(await vote(bob, '👍', true)).toBe(true);
    expect(await vote(ann, '👍', false)).toBe(true);
    expect(await vote(ann, '👍', false)).toBe(false);

    const facts = await bot.voteFacts(set.id);
    expect(facts.map(({ emoji, added }) => `${added ? '+' : '-'}${emoji}`)).toEqual([
      '+👍',
      '+❤️',
      '+👍',
      '-👍',
    ]);
    const standing = await bot.standingVotes(channel.id);
    expect(standing.votes.map(({ memberId, emoji }) => [memberId, emoji])).toEqual([
      [ann.id, '❤️'],
      [bob.id, '👍'],
    ]);
    expect(standing.pictures.map(({ id }) => id)).toEqual([pictureId]);
    expect(standing.sets.map(({ id }) => id)).toEqual([set.id]);
    expect((await bot.set(set.id))!.revision).toBeGreaterThan(set.revision);
  });

  it('tells votes of one subject, of no subject, or on some pictures', async () => {
    const { channel, ann, bob } = await newChannel();
    const subjectId = (await newSubject(channel, ann)).id;
    const voted: { setId: string; pictureId: string }[] = [];
    for (const more of [{ subjectId }, {}, {}]) {
      const { id: setId } = await newSet(channel, ann, more);
      const pictureId = await newPicture(setId);
      await bot.addVote({ pictureId, memberId: bob.id, emoji: '👍', added: true });
      voted.push({ setId, pictureId });
    }
    const [ofSubject, first, second] = voted;
    for (const [only, expected] of [
      [undefined, voted],
      [{ subjectId }, [ofSubject]],
      [{ subjectId: null }, [first, second]],
      [{ pictureIds: [second!.pictureId] }, [second]],
      [{ pictureIds: [] }, []],
    ] as const) {
      const { sets, pictures, votes } = await bot.standingVotes(channel.id, only);
      expect(sets.map(({ id }) => id)).toEqual(expected.map((each) => each!.setId));
      const pictureIds = expected.map((each) => each!.pictureId).toSorted();
      expect(pictures.map(({ id }) => id).toSorted()).toEqual(pictureIds);
      expect(votes.map((vote) => vote.pictureId).toSorted()).toEqual(pictureIds);
    }
  });

  it('counts a reaction once when it is reported twice at the same time', async () => {
    const { channel, ann } = await newChannel();
    const pictureId = await newPicture((await newSet(channel, ann)).id);
    const vote = { pictureId, memberId: ann.id, emoji: '👍', added: true };
    const added = await Promise.all([bot, worker, bot, worker].map((store) => store.addVote(vote)));
    expect(added.filter(Boolean)).toHaveLength(1);
  });

  it("keeps the safety check's results, and only those for blocked pictures", async () => {
    const { channel, ann } = await newChannel();
    const set = await newSet(channel, ann);
    await newPicture(set.id);
    const hidden = { id: randomUUID(), setId: set.id, index: 1, blobHash: hash('e'), width: 8, height: 8 };
    await bot.addPicture({ ...hidden, seed: 8, adapterId: null, unsafe: 0.75, sensitive: true });
    const found = (await worker.pictures(set.id)).map(({ unsafe, sensitive }) => ({ unsafe, sensitive }));
    expect(found).toEqual([
      { unsafe: null, sensitive: false },
      { unsafe: 0.75, sensitive: true },
    ]);
    expect(await worker.picture(hidden.id)).toMatchObject({ unsafe: 0.75, sensitive: true });

    expect(await bot.heldPictures(set.id)).toEqual([]);
    const before = (await bot.set(set.id))!.revision;
    await bot.holdPicture({ setId: set.id, place: 3, unsafe: 0.5 });
    await bot.holdPicture({ setId: set.id, place: 2, unsafe: 1 });
    const after = (await bot.set(set.id))!.revision;
    expect(after).toBeGreaterThan(before);
    await worker.holdPicture({ setId: set.id, place: 2, unsafe: 0.25 });
    expect((await bot.set(set.id))!.revision).toBe(after);
    expect(await worker.heldPictures(set.id)).toEqual([
      { setId: set.id, place: 2, unsafe: 1 },
      { setId: set.id, place: 3, unsafe: 0.5 },
    ]);
    await bot.deleteSet(set.id, 'By Ann.');
    expect(await bot.heldPictures(set.id)).toEqual([]);
  });

  it('deletes a set with its pictures and votes, and keeps its message until that is updated', async () => {
    const { channel, ann } = await newChannel();
    const set = await newSet(channel, ann);
    const pictureId = await newPicture(set.id);
    await bot.addVote({ pictureId, memberId: ann.id, emoji: '👍', added: true });
    const post = await bot.addPost({
      id: randomUUID(),
      channelId: channel.id,
      kind: 'set',
      targetId: set.id,
    });
    await bot.markPost(post.id, 'message 1', 1e9);
    await bot.deleteSet(set.id, 'By Ann.');
    expect(await bot.set(set.id)).toBeNull();
    expect(await bot.picture(pictureId)).toBeNull();
    const isStale = async () => (await bot.stalePosts('discord', 1000)).find(({ id }) => id === post.id);
    expect(await isStale()).toMatchObject({ gone: 'By Ann.', messageId: 'message 1' });
    await bot.removePost(post.id);
    expect(await isStale()).toBeUndefined();
    expect(await bot.postOf(set.id)).toBeNull();
    expect((await bot.standingVotes(channel.id)).votes).toEqual([]);
  });

  it('lists platform files whose pictures, photos, adapters or runs are gone', async () => {
    const { channel, ann } = await newChannel();
    const subject = await newSubject(channel, ann);
    const run = await newRun(subject);
    const set = await newSet(channel, ann);
    const twin = await newSet(channel, ann);
    const unique = () => createHash('sha256').update(randomUUID()).digest('hex');
    const [shown, both, photo, adapter, stray] = [unique(), unique(), unique(), unique(), unique()];
    const picture = { width: 64, height: 64, seed: 1, adapterId: null };
    await bot.addPicture({ id: randomUUID(), setId: set.id, index: 0, blobHash: shown, ...picture });
    await bot.addPicture({ id: randomUUID(), setId: set.id, index: 1, blobHash: both, ...picture });
    await bot.addPicture({ id: randomUUID(), setId: twin.id, index: 0, blobHash: both, ...picture });
    const file = { width: 64, height: 64, fileName: 'a.png' };
    await bot.addPhoto({
      id: randomUUID(),
      subjectId: subject.id,
      memberId: ann.id,
      blobHash: photo,
      ...file,
    });
    const { id: runId, subjectId, channelId, settings } = run;
    const adapterId = randomUUID();
    const trained = { runId, subjectId, channelId, settings, step: 1, final: true, size: 9 };
    await bot.addAdapter({ id: adapterId, blobHash: adapter, ...trained });
    const slack = { platform: 'slack', serverId: '' } as const;
    for (const source of [shown, both, photo, adapter, run.id, stray])
      await bot.addPlatformFile(slack, `F ${source}`, source);
    const unwanted = async () => (await worker.unwantedPlatformFiles(slack, 1000)).sort();
    const files = (...sources: string[]) => sources.map((source) => `F ${source}`).sort();

    expect(await unwanted()).toEqual([]);
    expect(await bot.platformFile(slack, shown)).toBe(`F ${shown}`);
    expect(await bot.platformFile({ ...slack, platform: 'discord' }, shown)).toBeNull();
    await bot.deleteSet(set.id, 'By Ann.');
    expect(await unwanted()).toEqual(files(shown));
    expect(await bot.platformFile(slack, shown)).toBeNull();
    const { revision } = (await bot.run(run.id))!;
    await bot.deleteAdapter(adapterId);
    // Its run's message has a file less.
    expect((await bot.run(run.id))!.revision).toBeGreaterThan(revision);
    expect(await unwanted()).toEqual(files(shown, adapter));
    await bot.deleteSubject(subject.id, 'By Ann.');
    expect(await unwanted()).toEqual(files(shown, adapter, photo, run.id));
    await bot.deleteSet(twin.id, 'By Ann.');
    await bot.dropStrayPlatformFiles('slack');
    expect(await unwanted()).toEqual(files(shown, both, adapter, photo, run.id, stray));
    expect(await bot.unwantedPlatformFiles({ ...slack, platform: 'discord' }, 1000)).toEqual([]);
    for (const id of await unwanted()) await bot.removePlatformFile('slack', id);
    expect(await unwanted()).toEqual([]);
  });

  it('keeps the installations of each platform, and the files of each workspace apart', async () => {
    const one = { platform: 'slack', serverId: 'T1', name: 'One', sealedToken: 'sealed' } as const;
    await bot.saveInstallation(one);
    await bot.saveInstallation({ ...one, serverId: 'T2', name: 'Two' });
    await bot.saveInstallation({ ...one, name: 'One again', sealedToken: 'another' });
    expect(await worker.installations('discord')).toEqual([]);
    const found = await worker.installations('slack');
    expect(found.map(({ name, sealedToken }) => [name, sealedToken]).toSorted()).toEqual([
      ['One again', 'another'],
      ['Two', 'sealed'],
    ]);

    const source = randomUUID();
    const [first, second] = [one, { ...one, serverId: 'T2' }];
    await bot.addPlatformFile(first, 'F of one', source);
    expect(await worker.platformFile(first, source)).toBe('F of one');
    expect(await worker.platformFile(second, source)).toBeNull();
    await bot.dropStrayPlatformFiles('slack');
    expect(await worker.unwantedPlatformFiles(second, 10)).toEqual([]);
    expect(await worker.unwantedPlatformFiles(first, 10)).toEqual(['F of one']);
    await bot.removeInstallation('slack', 'T1');
    expect(await worker.unwantedPlatformFiles(first, 10)).toEqual([]);
    expect((await worker.installations('slack')).map(({ serverId }) => serverId)).toEqual(['T2']);
    await bot.removeInstallation('slack', 'T2');
  });

  it('updates an announcement when its winning picture is deleted', async () => {
    const { channel, ann } = await newChannel();
    const subject = await newSubject(channel, ann);
    const run = await newRun(subject);
    const set = await newSet(channel, ann);
    const pictureId = await newPicture(set.id);
    const adapterId = await newAdapter(run.id, subject, 10);
    const change = { id: randomUUID(), subjectId: subject.id, adapterId, pictureId, cause: 'votes' } as const;
    await bot.changeChampion(change, false);
    const post = await bot.addPost({
      id: randomUUID(),
      channelId: channel.id,
      kind: 'champion',
      targetId: change.id,
    });
    await bot.markPost(post.id, randomUUID(), 0);
    const isStale = async () => (await bot.stalePosts('discord', 1000)).some(({ id }) => id === post.id);
    expect(await isStale()).toBe(false);
    await bot.deleteSet(set.id, 'By Ann.');
    expect(await isStale()).toBe(true);
    expect((await bot.championChange(change.id))!.pictureId).toBeNull();
  });

  it('updates a ranking without deleted sets, subjects and votes', async () => {
    const { channel, ann, bob } = await newChannel();
    const subject = await newSubject(channel, ann);
    const run = await newRun(subject);
    const sets = [
      await newSet(channel, ann),
      await newSet(channel, ann, { subjectId: subject.id, runId: run.id }),
      await newSet(channel, ann),
    ] as const;
    const [alone, samples, voted] = await Promise.all(sets.map(({ id }) => newPicture(id)));
    await bot.addVote({ pictureId: voted!, memberId: bob.id, emoji: '👍', added: true });
    const ranking = { id: randomUUID(), channelId: channel.id };
    // One was deleted while the votes were counted.
    await bot.addRanking({ ...ranking, pictureIds: [voted!, samples!, randomUUID(), alone!] });
    const targetId = ranking.id;
    const post = await bot.addPost({ id: randomUUID(), channelId: channel.id, kind: 'ranking', targetId });
    const other = { id: randomUUID(), channelId: channel.id };
    await bot.addRanking({ ...other, pictureIds: [] });
    const untouched = await bot.ranking(other.id);
    const show = async () => bot.markPost(post.id, 'best', (await bot.ranking(ranking.id))!.revision);
    const isStale = async () => (await bot.stalePosts('discord', 1000)).some(({ id }) => id === post.id);
    const left = async () => new Set((await bot.ranking(ranking.id))!.pictureIds);
    expect(await isStale()).toBe(true);
    expect(await left()).toEqual(new Set([alone, samples, voted]));

    for (const [remove, ...still] of [
      [() => worker.deleteSet(sets[0].id, 'By Ann.'), samples, voted],
      [() => worker.deleteSubject(subject.id, 'By Ann.'), voted],
      [() => worker.eraseMember(bob.id), voted],
    ] as const) {
      await show();
      expect(await isStale()).toBe(false);
      await remove();
      expect(await isStale()).toBe(true);
      expect(await left()).toEqual(new Set(still));
    }
    // Its message says that nothing is left, so the post stays.
    expect(await bot.post(post.id)).toMatchObject({ gone: null, messageId: 'best' });
    expect(await bot.ranking(other.id)).toEqual(untouched);
    expect(await bot.ranking(randomUUID())).toBeNull();
  });

  it('removes a line, and tells only readers who have it', async () => {
    const { channel } = await newChannel();
    const id = randomUUID();
    await bot.addLine({ id, channelId: channel.id, memberId: null, body: { title: 'hello' } });
    const { revision } = (await bot.lines(channel.id, 0, 10))[0]!;
    await worker.removeLine(channel.id, null, id);
    expect(await bot.lines(channel.id, 0, 10)).toEqual([]);
    expect(await bot.lines(channel.id, revision, 10)).toMatchObject([{ id, body: null }]);
    const { revision: now } = (await bot.lines(channel.id, revision, 10))[0]!;
    await worker.removeLine(channel.id, null, id);
    expect(await bot.lines(channel.id, now, 10)).toEqual([]);
  });

  it('lists messages that are behind their record', async () => {
    const { channel, ann } = await newChannel();
    const set = await newSet(channel, ann);
    const post = await bot.addPost({
      id: randomUUID(),
      channelId: channel.id,
      kind: 'set',
      targetId: set.id,
    });
    expect(post).toMatchObject({ kind: 'set', targetId: set.id, messageId: null, shownRevision: -1 });
    const isStale = async () => (await bot.stalePosts('discord', 1000)).some(({ id }) => id === post.id);
    expect(await isStale()).toBe(true);
    expect((await bot.stalePosts('slack', 1000)).some(({ id }) => id === post.id)).toBe(false);

    await bot.markPost(post.id, 'message 1', set.revision);
    expect(await isStale()).toBe(false);
    await worker.updateSet(set.id, { state: 'running' });
    expect(await isStale()).toBe(true);

    expect(await bot.postByMessage(channel.id, 'message 1')).toMatchObject({ id: post.id });
    expect((await bot.post(post.id))!.formerMessageIds).toEqual([]);
    await bot.markPost(post.id, 'message 2', set.revision);
    await bot.markPost(post.id, 'message 2', set.revision);
    expect(await bot.post(post.id)).toMatchObject({
      messageId: 'message 2',
      formerMessageIds: ['message 1'],
    });
    for (const message of ['message 1', 'message 2'])
      expect(await bot.postByMessage(channel.id, message)).toMatchObject({ id: post.id });
    expect((await bot.recentPosts('discord', 1000)).map(({ id }) => id)).toContain(post.id);
  });

  it('posts a new champion once, and lists champions in order', async () => {
    const { channel, ann } = await newChannel();
    const subject = await newSubject(channel, ann);
    const run = await newRun(subject);
    const [first, second] = [await newAdapter(run.id, subject, 10), await newAdapter(run.id, subject, 20)];
    const pictureId = await newPicture((await newSet(channel, ann, { subjectId: subject.id })).id);
    const change = { subjectId: subject.id, id: randomUUID() };
    await bot.changeChampion({ ...change, adapterId: first, cause: 'member', memberId: ann.id }, true);
    expect(await bot.subject(subject.id)).toMatchObject({ championId: first, championPinned: true });
    const reason = '3 members voted';
    const voted = { id: randomUUID(), subjectId: subject.id, adapterId: second };
    const crowned = await worker.changeChampion({ ...voted, cause: 'votes', reason, pictureId }, false);
    expect(crowned).toMatchObject({ ...voted, cause: 'votes', reason, pictureId, memberId: null });
    expect(await bot.subject(subject.id)).toMatchObject({ championId: second, championPinned: false });

    const targetId = crowned.id;
    const post = await bot.addPost({ id: randomUUID(), channelId: channel.id, kind: 'champion', targetId });
    const isStale = async () => (await bot.stalePosts('discord', 1000)).some(({ id }) => id === post.id);
    expect(await isStale()).toBe(true);
    await bot.markPost(post.id, randomUUID(), 0);
    expect(await isStale()).toBe(false);

    await bot.deleteAdapter(first);
    expect((await bot.championChanges(subject.id)).map(({ adapterId }) => adapterId)).toEqual([null, second]);
    expect(await bot.championChange(crowned.id)).toEqual(crowned);
    expect(await isStale()).toBe(false);
    await worker.deleteAdapter(second);
    expect(await isStale()).toBe(true);
    const nobody = { id: randomUUID(), subjectId: randomUUID(), adapterId: second };
    await expect(bot.changeChampion({ ...nobody, cause: 'votes' }, false)).rejects.toMatchObject({
      code: 'SUBJECT_NOT_FOUND',
    });
  });

  it('deletes a subject with everything in it and nothing else, and keeps the messages', async () => {
    const { channel, ann, bob } = await newChannel();
    const subject = await newSubject(channel, ann);
    const other = await newSubject(channel, ann, 'Rex');
    const run = await newRun(subject);
    const adapterId = await newAdapter(run.id, subject, 10);
    const file = { width: 64, height: 64, fileName: 'cat.png' };
    const photo = { id: randomUUID(), subjectId: subject.id, memberId: bob.id, blobHash: hash('3') };
    await bot.addPhoto({ ...photo, ...file });
    const samples = await newSet(channel, ann, { runId: run.id, subjectId: subject.id });
    const asked = await newSet(channel, bob, { subjectId: subject.id });
    const plain = await newSet(channel, bob);
    await bot.addVote({ pictureId: await newPicture(asked.id), memberId: bob.id, emoji: '👍', added: true });
    const change = { id: randomUUID(), subjectId: subject.id, adapterId };
    await bot.changeChampion({ ...change, cause: 'votes' }, false);
    const posts = [];
    for (const [kind, targetId] of [
      ['run', run.id],
      ['set', asked.id],
      ['champion', change.id],
      ['set', plain.id],
    ] as const) {
      const post = await bot.addPost({ id: randomUUID(), channelId: channel.id, kind, targetId });
      await bot.markPost(post.id, randomUUID(), 1e9);
      posts.push(post.id);
    }
    await worker.deleteSubject(subject.id, 'By Ann.');
    expect((await bot.subjects(channel.id)).map(({ id }) => id)).toEqual([other.id]);
    expect(await bot.run(run.id)).toBeNull();
    expect(await bot.adapters(channel.id)).toEqual([]);
    for (const { id } of [samples, asked]) expect(await bot.set(id)).toBeNull();
    expect(await bot.set(plain.id)).toEqual(plain);
    expect((await bot.standingVotes(channel.id)).votes).toEqual([]);
    const ended = (await bot.stalePosts('discord', 1000)).filter(({ channelId }) => channelId === channel.id);
    expect(ended.map(({ id, gone }) => [id, gone])).toEqual(posts.slice(0, 3).map((id) => [id, 'By Ann.']));
  });

  it("returns a channel's rules: the platform’s defaults until others are saved", async () => {
    const { channel } = await newChannel();
    expect(await bot.rules(channel.id)).toEqual(defaultRules('discord'));
    const rules = {
      ...defaultRules('discord'),
      who: { train: ['123'], imagine: 'everyone', settings: 'moderators' },
      words: ['bad "word"'],
    } as const;
    await bot.saveRules(channel.id, rules);
    expect(await worker.rules(channel.id)).toEqual(rules);
    await expect(bot.rules(randomUUID())).rejects.toMatchObject({ code: 'CHANNEL_NOT_FOUND' });
  });

  it('gives a thread the rules of its channel, also those that are saved in the thread', async () => {
    const serverId = randomUUID();
    const parent = { externalId: randomUUID(), name: 'pets' };
    const thread = await bot.channel('discord', randomUUID(), 'a thread', { parent, serverId });
    const other = await bot.channel('discord', randomUUID(), 'another', { parent, serverId });
    const pets = await worker.channel('discord', parent.externalId, 'pets');
    await bot.saveRules(pets.id, { ...defaultRules('discord'), words: ['bad'] });
    expect((await worker.rules(thread.id)).words).toEqual(['bad']);
    await worker.saveRules(other.id, { ...defaultRules('discord'), words: ['worse'] });
    for (const { id } of [pets, thread, other]) expect((await bot.rules(id)).words).toEqual(['worse']);
    // Reactions name a thread by its id alone.
    await bot.channel('discord', thread.externalId, 'a thread');
    expect((await bot.rules(thread.id)).words).toEqual(['worse']);
  });

  it('treats a thread as restricted as its channel, also when that changes', async () => {
    const parent = { externalId: randomUUID(), name: 'art' };
    const thread = await bot.channel('discord', randomUUID(), 'a thread', { parent, ageRestricted: true });
    expect(thread.ageRestricted).toBe(true);
    expect((await bot.channel('discord', parent.externalId, 'art')).ageRestricted).toBe(true);
    await worker.channel('discord', parent.externalId, 'art', { ageRestricted: false });
    expect((await bot.channelById(thread.id))!.ageRestricted).toBe(false);
  });

  it("applies a server's rules in all its channels, and none without a server", async () => {
    const serverId = randomUUID();
    const [one, two] = await Promise.all([
      bot.channel('discord', randomUUID(), 'one', { serverId }),
      worker.channel('discord', randomUUID(), 'two', { serverId }),
    ]);
    const slack = await bot.channel('slack', randomUUID(), 'one', { serverId });
    const web = await bot.channel('web', randomUUID(), 'one');
    expect(await bot.serverRules(one.id)).toEqual(DEFAULT_SERVER_RULES);
    const rules = { ...DEFAULT_SERVER_RULES, blocked: [randomUUID()] };
    await bot.saveServerRules(one.id, rules);
    expect(await worker.serverRules(two.id)).toEqual(rules);
    expect(await worker.serverRules(slack.id)).toEqual(DEFAULT_SERVER_RULES);
    expect(await worker.serverRules(web.id)).toBeNull();
    await expect(bot.saveServerRules(web.id, rules)).rejects.toMatchObject({ code: 'CHANNEL_NOT_FOUND' });
  });

  it('counts requests and open jobs in a channel with its threads, and in a server', async () => {
    const serverId = randomUUID();
    const ann = await bot.member('discord', randomUUID(), 'Ann');
    const parent = { externalId: randomUUID(), name: 'pets' };
    const thread = await bot.channel('discord', randomUUID(), 'a thread', { parent, serverId });
    const pets = await bot.channel('discord', parent.externalId, 'pets');
    const other = await bot.channel('discord', randomUUID(), 'other', { serverId });
    const { channel: elsewhere } = await newChannel();
    for (const [index, channel] of [thread, pets, other, elsewhere].entries()) {
      const { id } = await newSet(channel, ann);
      const entry = { channelId: channel.id, memberId: ann.id, action: 'imagine', details: 'a cat' };
      await bot.addAudit({ ...entry, targetId: id, amount: 2 ** index });
    }
    const amount = async (id: string, reach: Reach) =>
      (await worker.usage(id, reach, 'imagine', 60)).reduce((sum, used) => sum + used.amount, 0);
    const open = async (id: string, reach: Reach) => (await worker.openUsage(id, reach)).length;
    for (const { id } of [thread, pets]) {
      expect([await amount(id, 'channel'), await open(id, 'channel')]).toEqual([3, 2]);
      expect([await amount(id, 'server'), await open(id, 'server')]).toEqual([7, 3]);
    }
    expect([await amount(elsewhere.id, 'channel'), await amount(elsewhere.id, 'server')]).toEqual([8, 0]);
    expect((await worker.audit(pets.id, 10)).map((entry) => entry.channelId)).toEqual([pets.id, thread.id]);
  });

  it('remembers whether a channel is age-restricted, as last reported', async () => {
    const externalId = randomUUID();
    expect((await bot.channel('discord', externalId, 'art')).ageRestricted).toBe(false);
    expect((await bot.channel('discord', externalId, 'art', { ageRestricted: true })).ageRestricted).toBe(
      true,
    );
    expect((await worker.channel('discord', externalId, 'art')).ageRestricted).toBe(true);
    expect((await worker.channel('discord', externalId, 'art', { ageRestricted: false })).ageRestricted).toBe(
      false,
    );
  });

  it('logs actions, newest first, and counts requests that did not fail', async () => {
    const { channel, ann, bob } = await newChannel();
    const [failed, asked] = [await newSet(channel, ann), await newSet(channel, bob)];
    const entry = (member: Member, details: string, targetId: string | null, amount: number) =>
      bot.addAudit({
        channelId: channel.id,
        memberId: member.id,
        action: 'imagine',
        details,
        targetId,
        amount,
      });
    await entry(ann, 'one that fails', failed.id, 2);
    await entry(bob, 'one', asked.id, 2);
    await entry(ann, 'one that is deleted', randomUUID(), 3);
    await bot.addAudit({ channelId: channel.id, memberId: null, action: 'champion', details: 'by votes' });
    await worker.updateSet(failed.id, { state: 'failed' });
    expect((await worker.audit(channel.id, 2)).map(({ details }) => details)).toEqual([
      'by votes',
      'one that is deleted',
    ]);
    const used = await worker.usage(channel.id, 'channel', 'imagine', 60);
    expect(used.map(({ memberId, amount }) => [memberId, amount])).toEqual([
      [bob.id, 2],
      [ann.id, 3],
    ]);
    expect(await worker.usage(channel.id, 'channel', 'imagine', 0)).toEqual([]);
    expect(await worker.usage(channel.id, 'channel', 'train', 60)).toEqual([]);
    expect((await bot.membersOf(channel.id)).map(({ name }) => name)).toEqual(['Ann', 'Bob']);
    expect(await bot.memberByExternalId('discord', ann.externalId)).toEqual(ann);
    expect(await bot.memberByExternalId('slack', ann.externalId)).toBeNull();
  });

  it("deletes a member's photos and votes, and exports all their data", async () => {
    const { channel, ann, bob } = await newChannel();
    const subject = await newSubject(channel, ann);
    const set = await newSet(channel, ann);
    const pictureId = await newPicture(set.id);
    for (const [member, digit] of [
      [ann, '4'],
      [bob, '5'],
    ] as const) {
      const file = { width: 64, height: 64, fileName: 'cat.png', blobHash: hash(digit) };
      await bot.addPhoto({ id: randomUUID(), subjectId: subject.id, memberId: member.id, ...file });
      await bot.addVote({ pictureId, memberId: member.id, emoji: '👍', added: true });
      const body = { kind: 'said', text: 'look', photos: [{ name: 'cat.png', thumb: hash(digit) }] };
      await bot.addLine({ id: randomUUID(), channelId: channel.id, memberId: member.id, body });
    }
    const run = {
      ...(await newRun(subject)),
      id: randomUUID(),
      memberId: bob.id,
      photoHashes: [hash('5'), hash('4')],
      photoPrompts: ['of Bob', 'of Ann'],
    };
    await bot.addRun(run);
    const all = await bot.memberData(ann.id);
    expect(all.subjects.map(({ id }) => id)).toEqual([subject.id]);
    expect(all.sets.map(({ id }) => id)).toEqual([set.id]);
    expect([all.photos.length, all.votes.length, all.runs.length]).toEqual([1, 1, 1]);

    const { revision } = (await bot.set(set.id))!;
    expect(await bot.eraseMember(ann.id)).toEqual({ photos: 1, votes: 1 });
    expect((await bot.photos(subject.id)).map(({ memberId }) => memberId)).toEqual([bob.id]);
    expect((await bot.run(run.id))!.photoPrompts).toEqual(['of Bob', null]);
    expect((await bot.voteFacts(set.id)).map(({ memberId }) => memberId)).toEqual([bob.id]);
    expect((await bot.set(set.id))!.revision).toBeGreaterThan(revision);
    const lines = await bot.lines(channel.id, 0, 10);
    expect(lines.map(({ body }) => (body as { photos: unknown[] }).photos.length).sort()).toEqual([0, 1]);
    expect((await bot.members([ann.id]))[0]!.erasedAt).toBeInstanceOf(Date);
    expect((await bot.members([bob.id]))[0]!.erasedAt).toBeNull();
  });

  it('keeps a preview of a running set until it ends, and none of any other', async () => {
    const { channel, ann } = await newChannel();
    const set = await newSet(channel, ann);
    const preview = { place: 1, image: Buffer.from([0, 255, 7]) };
    const slack = { platform: 'slack', serverId: '' } as const;
    await worker.savePreview(set.id, preview);
    expect(await bot.preview(set.id)).toBeNull();
    await worker.updateSet(set.id, { state: 'running' });
    await worker.savePreview(set.id, preview);
    await worker.savePreview(set.id, { ...preview, place: 2 });
    expect(await bot.preview(set.id)).toEqual({ ...preview, place: 2 });
    await worker.updateSet(set.id, { progress: null });
    expect(await bot.preview(set.id)).not.toBeNull();
    await bot.addPlatformFile(slack, `preview ${set.id}`, set.id);
    await worker.updateSet(set.id, { state: 'cancelled' });
    expect(await bot.preview(set.id)).toBeNull();
    expect(await bot.unwantedPlatformFiles(slack, 1000)).toContain(`preview ${set.id}`);
    await bot.removePlatformFile('slack', `preview ${set.id}`);
    // As from a worker that has not heard of it.
    await worker.savePreview(set.id, preview);
    expect(await bot.preview(set.id)).toBeNull();
    const other = await newSet(channel, ann);
    await worker.updateSet(other.id, { state: 'running' });
    await worker.savePreview(other.id, preview);
    await bot.deleteSet(other.id, '');
    expect(await bot.preview(other.id)).toBeNull();
  });

  it('finds the pictures of a channel by words, subject, member and votes, page by page', async () => {
    const { channel, ann, bob } = await newChannel();
    const elsewhere = await newChannel();
    const mochi = await newSubject(channel, ann);
    const hash = () => createHash('sha256').update(randomUUID()).digest('hex');
    const drawn = async (
      prompt: string,
      of: Partial<Parameters<typeof bot.addSet>[0]> = {},
      pictures: readonly Partial<Parameters<typeof bot.addPicture>[0]>[] = [{}],
    ): Promise<string[]> => {
      const set = await bot.addSet(
        setOf({ channelId: channel.id, memberId: ann.id, prompt, state: 'done', ...of }),
      );
      const ids = pictures.map(() => randomUUID());
      for (const [index, change] of pictures.entries()) {
        const own = { id: ids[index]!, setId: set.id, index, blobHash: hash(), width: 8, height: 8, seed: 1 };
        await worker.addPicture({ ...own, adapterId: null, ...change });
      }
      return ids;
    };
    const [owl] = await drawn("a Red owl's nest");
    const [fox, tinFox, hidden] = await drawn('a {red|tin} fox', { memberId: bob.id }, [
      { prompt: 'a red fox' },
      { prompt: 'a tin fox' },
      { sensitive: true },
    ]);
    const [cat] = await drawn('mochi in red', { subjectId: mochi.id });
    await drawn('a red sample', { kind: 'samples' });
    await drawn('a red stranger', { channelId: elsewhere.channel.id });
    const any = { channelId: channel.id, words: [], subjectId: null, memberId: null, likes: 0 };
    const newest = { before: null, after: null };
    type Gallery = Parameters<typeof bot.gallery>;
    const found = async (change: Partial<Gallery[0]>, from: Gallery[1] = newest, limit = 9) =>
      (await bot.gallery({ ...any, ...change }, from, limit)).map(({ id }) => id);
    expect(await found({})).toEqual([cat, tinFox, fox, owl]);
    expect(await found({ words: ['RED'] })).toEqual([cat, fox, owl]);
    expect(await found({ words: ['fo', 're'] })).toEqual([fox]);
    expect(await found({ words: ['stranger'] })).toEqual([]);
    expect(await found({ subjectId: mochi.id })).toEqual([cat]);
    expect(await found({ memberId: bob.id, words: ['fox'] })).toEqual([tinFox, fox]);

    const vote = (memberId: string, pictureId: string, emoji: string, added = true) =>
      bot.addVote({ memberId, pictureId, emoji, added });
    await vote(bob.id, owl!, '👍🏽');
    await vote(ann.id, owl!, '❤️');
    await vote(ann.id, fox!, '2️⃣');
    await vote(ann.id, tinFox!, '👎');
    expect((await bot.gallery({ ...any, likes: 1 }, newest, 9)).map(({ id, likes }) => [id, likes])).toEqual([
      [fox, 1],
      [owl, 1],
    ]);
    await vote(ann.id, fox!, '2️⃣', false);
    expect(await found({ likes: 1, words: ['red'] })).toEqual([owl]);
    await bot.eraseMember(bob.id);
    expect(await found({ likes: 1 })).toEqual([]);

    const [, second] = await bot.gallery(any, newest, 2);
    expect(await found({}, { before: second!.place, after: null }, 1)).toEqual([fox]);
    expect(await found({ words: ['red'] }, { before: second!.place, after: null }, 1)).toEqual([fox]);
    const [last] = (await bot.gallery(any, newest, 9)).slice(-1);
    expect(await found({}, { before: null, after: last!.place }, 2)).toEqual([tinFox, fox]);
    expect(await found({ words: ['red'] }, { before: null, after: last!.place }, 1)).toEqual([fox]);

    expect(await bot.inGallery(channel.id, hidden!)).toBe(false);
    expect(await bot.inGallery(elsewhere.channel.id, owl!)).toBe(false);
    const { setId } = (await bot.picture(owl!))!;
    await bot.deleteSet(setId, '');
    expect(await bot.inGallery(channel.id, owl!)).toBe(false);
    expect(await found({ words: ['owl'] })).toEqual([]);
  });

  it('lists the blobs that are needed: by records, lines, and open runs', async () => {
    const { channel, ann } = await newChannel();
    const subject = await newSubject(channel, ann);
    const named = () => createHash('sha256').update(randomUUID()).digest('hex');
    const [photo, inRun, votes, picture, inLine] = [named(), named(), named(), named(), named()];
    const file = { width: 64, height: 64, fileName: 'cat.png', blobHash: photo };
    await bot.addPhoto({ id: randomUUID(), subjectId: subject.id, memberId: ann.id, ...file });
    const run = await bot.addRun({ ...(await newRun(subject)), id: randomUUID(), photoHashes: [inRun] });
    const refinement = { from: randomUUID(), votes: { pairs: 12, members: 3 }, votesHash: votes, kept: null };
    await bot.updateRun(run.id, { refinement });
    const set = await newSet(channel, ann);
    const drawn = { id: randomUUID(), setId: set.id, index: 0, seed: 1, adapterId: null };
    await bot.addPicture({ ...drawn, blobHash: picture, width: 8, height: 8 });
    const body = { card: { pictures: [{ blobHash: inLine }] } };
    await bot.addLine({ id: randomUUID(), channelId: channel.id, memberId: null, body });
    const [thumb, written, fileName] = [named(), named(), named()];
    const said = {
      kind: 'said',
      text: written,
      photos: [
        { name: fileName, thumb },
        { name: 'b', thumb: null },
      ],
    };
    await bot.addLine({ id: randomUUID(), channelId: channel.id, memberId: ann.id, body: said });

    const used = await worker.blobsInUse();
    for (const hash of [photo, inRun, votes, picture, inLine, thumb]) expect(used).toContain(hash);
    // A text or a file name that is a hash keeps nothing.
    for (const hash of [written, fileName]) expect(used).not.toContain(hash);
    await worker.updateRun(run.id, { state: 'done' });
    await worker.deleteSet(set.id, '');
    const then = await worker.blobsInUse();
    const kept = [photo, inRun, votes, picture, inLine].map((hash) => then.has(hash));
    expect(kept).toEqual([true, false, false, false, true]);
  });

  it('keeps a conversation in order and returns what is new', async () => {
    const { channel, ann } = await newChannel();
    const line = async (body: unknown, memberId: string | null) => {
      const { added, ...stored } = await bot.addLine({
        id: randomUUID(),
        channelId: channel.id,
        memberId,
        body,
      });
      expect(added).toBe(true);
      return stored;
    };
    const question = await line('/krona help', ann.id);
    const answer = await line({ title: 'Help', text: ['line\nbreak'] }, null);
    expect(await bot.lines(channel.id, 0, 100)).toEqual([question, answer]);
    expect(await bot.lines(channel.id, 0, 1)).toEqual([answer]);
    expect(await bot.lines(channel.id, answer.revision, 100)).toEqual([]);

    await bot.updateLine({ ...question, body: { title: 'changed' } });
    const [changed] = await bot.lines(channel.id, answer.revision, 100);
    expect(changed).toMatchObject({ id: question.id, body: { title: 'changed' } });
    const again = await bot.addLine({
      id: question.id,
      channelId: channel.id,
      memberId: ann.id,
      body: 'other',
    });
    expect(again).toEqual({ ...changed, added: false });
  });

  it('returns the lines before a position in order, even after changes and removals', async () => {
    const { channel } = await newChannel();
    const say = async (body: string) =>
      bot.addLine({ id: randomUUID(), channelId: channel.id, memberId: null, body });
    const [one, two, three, four] = [await say('1'), await say('2'), await say('3'), await say('4')];
    await bot.updateLine({ ...two, body: 'changed' });
    await bot.removeLine(channel.id, null, three.id);
    const bodies = async (place: number | null, limit: number) =>
      (await bot.linesBefore(channel.id, place, limit)).map(({ body }) => body);
    expect(await bodies(null, 9)).toEqual(['1', 'changed', '4']);
    expect(await bodies(null, 2)).toEqual(['changed', '4']);
    expect(await bodies(four.place, 9)).toEqual(['1', 'changed']);
    expect(await bodies(one.place, 9)).toEqual([]);
  });

  it('removes a line only for its channel and member', async () => {
    const { channel, ann } = await newChannel();
    const { channel: other } = await newChannel();
    const line = { id: randomUUID(), channelId: channel.id, memberId: null, body: 'stays' };
    await bot.addLine(line);
    await bot.removeLine(other.id, null, line.id);
    await bot.removeLine(channel.id, ann.id, line.id);
    expect(await bot.lines(channel.id, 0, 10)).toMatchObject([{ body: 'stays' }]);
  });

  it('deletes a channel with everything in it, and no other', async () => {
    const { channel, ann } = await newChannel();
    const { channel: other } = await newChannel();
    for (const channelId of [channel.id, other.id])
      await bot.addLine({ id: randomUUID(), channelId, memberId: ann.id, body: 'hello' });
    await newSet(channel, ann);
    await bot.deleteChannel(channel.id);
    expect(await worker.channelById(channel.id)).toBeNull();
    expect(await worker.lines(channel.id, 0, 10)).toEqual([]);
    expect(await worker.lines(other.id, 0, 10)).toHaveLength(1);
  });

  it('starts a channel with rules unless it has some, and finds blocked members', async () => {
    const { channel, ann } = await newChannel();
    const before = await bot.rules(channel.id);
    await bot.startRules(channel.id, { ...before, words: ['first'] });
    await bot.startRules(channel.id, { ...before, words: ['second'] });
    expect((await worker.rules(channel.id)).words).toEqual(['first']);
    expect(await bot.isBlocked(channel.platform, ann.id)).toBe(false);
    await bot.saveRules(channel.id, { ...before, blocked: [ann.id] });
    expect(await bot.isBlocked(channel.platform, ann.id)).toBe(true);
  });

  it('changes a line only for its channel and member', async () => {
    const { channel, ann } = await newChannel();
    const { channel: other, ann: ben } = await newChannel();
    const line = { id: randomUUID(), channelId: channel.id, memberId: ann.id, body: 'mine' };
    await bot.addLine(line);
    for (const foreign of [{ memberId: ben.id }, { memberId: null }, { channelId: other.id }]) {
      const attempt = { ...line, ...foreign, body: 'overwritten' };
      await expect(bot.addLine(attempt)).rejects.toMatchObject({ code: 'LINE_ID_TAKEN' });
      await expect(bot.updateLine(attempt)).rejects.toMatchObject({ code: 'LINE_NOT_FOUND' });
    }
    expect(await bot.lines(channel.id, 0, 10)).toMatchObject([{ body: 'mine' }]);
  });

  it('lets no reader miss a line that was written earlier and committed later', async () => {
    const { channel } = await newChannel();
    const say = (on: Records) =>
      on.addLine({ id: randomUUID(), channelId: channel.id, memberId: null, body: 'hello' });
    const seen = new Set<string>();
    let since = 0;
    const read = async () => {
      for (const { id, revision } of await bot.lines(channel.id, since, 1000)) {
        seen.add(id);
        since = revision;
      }
    };
    // Slow writers: the line is written at the start of the transaction and committed some reads later.
    const slow = Array.from({ length: 3 }, () =>
      worker.transaction(async (records) => {
        const { id } = await say(records);
        for (let i = 0; i < 5; i++) await records.channelById(channel.id);
        return id;
      }),
    );
    const quick = Array.from({ length: 20 }, async () => (await say(bot)).id);
    for (let i = 0; i < 20; i++) await read();
    const written = await Promise.all([...slow, ...quick]);
    await read();
    expect([...seen].sort()).toEqual(written.sort());
  });

  it('commits all of a transaction or nothing', async () => {
    const { channel, ann } = await newChannel();
    const job = { id: randomUUID(), kind: 'train', payload: { runId: randomUUID() } } as const;
    const failing = bot.transaction(async (records) => {
      await newSubject(channel, ann, 'Mochi', records);
      await records.addOutboxJob(job);
      throw new Error('no photos');
    });
    await expect(failing).rejects.toThrow('no photos');
    expect(await bot.subjects(channel.id)).toEqual([]);
    expect((await bot.outboxJobs(1000)).some(({ id }) => id === job.id)).toBe(false);

    await bot.transaction((records) => records.addOutboxJob(job));
    await bot.addOutboxJob(job);
    expect((await worker.outboxJobs(1000)).filter(({ id }) => id === job.id)).toEqual([
      { ...job, owner: null },
    ]);
    await worker.removeOutboxJob(job.id);
    expect((await worker.outboxJobs(1000)).some(({ id }) => id === job.id)).toBe(false);
  });

  it('a job of a thread takes the turns of its channel', async () => {
    const { ann } = await newChannel();
    const parent = { externalId: randomUUID(), name: 'pets' };
    const thread = await bot.channel('discord', randomUUID(), 'a thread', { parent });
    const pets = await worker.channel('discord', parent.externalId, 'pets');
    const set = await newSet(thread, ann);
    const job = { id: set.id, kind: 'imagine', payload: { setId: set.id } } as const;
    await bot.addOutboxJob(job);
    const owned = { ...job, owner: { channelId: pets.id, memberId: ann.id } };
    expect((await worker.outboxJobs(1000)).filter(({ id }) => id === set.id)).toEqual([owned]);
    const open = async () => (await worker.openJobs()).filter(({ id }) => id === set.id);
    expect(await open()).toEqual([]);
    await worker.removeOutboxJob(job.id);
    expect(await open()).toEqual([owned]);
  });

  it('bytes that are stored count for the channel, its server, all channels, and each member', async () => {
    const { ann, bob } = await newChannel();
    const serverId = randomUUID();
    const one = await bot.channel('discord', randomUUID(), 'one', { serverId });
    const two = await bot.channel('discord', randomUUID(), 'two', { serverId });
    const before = await bot.storedBytes({ channelId: one.id, reach: 'all' });
    const subject = await newSubject(one, ann);
    await bot.addPhoto({
      id: randomUUID(),
      subjectId: subject.id,
      memberId: bob.id,
      blobHash: hash('a'),
      size: 1,
      width: 8,
      height: 8,
      fileName: 'a.png',
    });
    const run = await newRun(subject);
    await bot.addAdapter({
      id: randomUUID(),
      runId: run.id,
      subjectId: subject.id,
      channelId: one.id,
      step: 1,
      final: true,
      blobHash: hash('b'),
      size: 20,
      settings: run.settings,
    });
    const set = await newSet(two, bob);
    const picture = { width: 8, height: 8, seed: 1, adapterId: null, index: 0 };
    await bot.addPicture({ ...picture, id: randomUUID(), setId: set.id, blobHash: hash('c'), size: 300 });
    const bytes = (channelId: string, reach: 'channel' | 'server' | 'all', memberId?: string) =>
      worker.storedBytes({ channelId, reach, memberId });
    expect(await bytes(one.id, 'channel')).toBe(21);
    expect(await bytes(one.id, 'channel', bob.id)).toBe(1);
    expect(await bytes(one.id, 'server')).toBe(321);
    expect(await bytes(two.id, 'server', bob.id)).toBe(301);
    expect((await bytes(two.id, 'all')) - before).toBe(321);
    await bot.deleteSubject(subject.id, 'By Ann.');
    expect(await bytes(one.id, 'server')).toBe(300);
  });

  it('loses no change when several transactions read and write the same record', async () => {
    const { channel } = await newChannel();
    const count = (store: RecordStore) =>
      store.transaction(async (records) => {
        const { settings } = (await records.channelById(channel.id))!;
        await records.saveSettings(channel.id, { ...settings, steps: settings.steps + 1 });
      });
    await Promise.all(Array.from({ length: 12 }, (_, index) => count(index % 2 ? bot : worker)));
    expect((await bot.channelById(channel.id))!.settings.steps).toBe(DEFAULT_SETTINGS.steps + 12);
  });

  it('gives every client its own answers, with many at once and long texts', async () => {
    const { channel } = await newChannel();
    // Long texts arrive in several pieces, and others wait behind the transactions.
    const talk = async (store: RecordStore, index: number) => {
      const body = { text: `${index} `.repeat(index % 3 === 0 ? 60_000 : 1) };
      const line = { id: randomUUID(), channelId: channel.id, memberId: null, body };
      const added = await (index % 2
        ? store.transaction((records) => records.addLine(line))
        : store.addLine(line));
      expect(added).toMatchObject(line);
      expect((await store.channelById(channel.id))!.id).toBe(channel.id);
    };
    await Promise.all(Array.from({ length: 30 }, (_, index) => talk(index % 4 < 2 ? bot : worker, index)));
    expect(await bot.lines(channel.id, 0, 100)).toHaveLength(30);
  });

  it("refuses text that can't be stored, and keeps any other text unchanged", async () => {
    const { channel, ann } = await newChannel();
    await expect(newSubject(channel, ann, 'nul\0')).rejects.toMatchObject({ code: 'TEXT_INVALID' });
    const name = `'; DROP TABLE krona.run; -- \\ " $1 %`;
    expect((await newSubject(channel, ann, name)).name).toBe(name);
  });

  it('remembers the model', async () => {
    const card = {
      name: 'krona-emoji',
      architecture: 'sdxl',
      nativeSize: 128,
      sizeMultiple: 16,
      projections: [{ path: 'mid_block.attentions.0.to_q', out: 64, in: 64 }],
    };
    await worker.saveModelCard({ ...card, name: 'other' });
    await worker.saveModelCard(card);
    expect(await bot.modelCard()).toEqual(card);
  });

  it('has one open pull of a model, whose job is missing until it ends, and models beside the default', async () => {
    const { channel, ann } = await newChannel();
    const model = `model-${randomUUID()}`;
    const asked = () => bot.addPull({ id: randomUUID(), channelId: channel.id, memberId: ann.id, model });
    const pull = await asked();
    await expect(asked()).rejects.toThrow();
    const jobs = async () => (await worker.openJobs()).filter(({ id }) => id === pull.id);
    expect(await jobs()).toEqual([
      { id: pull.id, kind: 'pull', payload: { model }, owner: { channelId: channel.id, memberId: ann.id } },
    ]);
    const card = { name: 'm', architecture: 'sd1', nativeSize: 512, sizeMultiple: 8, projections: [] };
    const pulled = { commit: 'c0ffee', bytes: 5 };
    await worker.saveModelCard(card, model, pulled);
    await worker.updatePull(pull.id, { state: 'done', endedAt: new Date() });
    expect(await jobs()).toEqual([]);
    expect((await bot.pull(pull.id))!.revision).toBeGreaterThan(pull.revision);
    // A new card keeps where the files are from.
    await worker.saveModelCard({ ...card, name: 'n' }, model);
    expect(await bot.models()).toContainEqual({ name: model, card: { ...card, name: 'n' }, pulled });
    await bot.removeModel(model);
    expect(await bot.modelCard(model)).toBeNull();
  });

  it('keeps the last state of a run, never an earlier one, until it is forgotten', async () => {
    const { channel, ann } = await newChannel();
    const { id } = await newRun(await newSubject(channel, ann));
    expect(await bot.runState(id)).toBeNull();
    await worker.saveRunState(id, { hash: hash('a'), step: 40 });
    // A worker that lost its run still writes.
    await worker.saveRunState(id, { hash: hash('b'), step: 20 });
    expect(await bot.runState(id)).toEqual({ hash: hash('a'), step: 40 });
    await worker.saveRunState(id, null);
    expect(await bot.runState(id)).toBeNull();
    await worker.saveRunState(id, { hash: hash('b'), step: 20 });
    expect(await bot.runState(id)).toEqual({ hash: hash('b'), step: 20 });
  });

  it('knows the workers by their heartbeats, and who is wanted to drain', async () => {
    const facts = (): WorkerFacts => ({
      id: randomUUID(),
      host: 'one',
      version: '0.1.0',
      device: 'cuda:1',
      memory: 2 ** 36,
      models: ['sdxl'],
      adapters: [hash('a')],
      doing: [{ kind: 'train', id: randomUUID() }],
      state: 'working',
    });
    const [first, second] = [facts(), facts()];
    expect(await worker.saveWorker(first)).toEqual({ drain: false });
    await worker.saveWorker(second);
    const known = async () => (await bot.workers()).filter(({ id }) => id === first.id || id === second.id);
    const [one, other] = await known();
    expect([one, other]).toMatchObject([
      { ...first, drain: false },
      { ...second, drain: false },
    ]);
    expect(one?.silentFor).toBeGreaterThanOrEqual(other?.silentFor ?? Infinity);
    await bot.drainWorkers([second.id]);
    expect(await worker.saveWorker({ ...first, doing: [] })).toEqual({ drain: false });
    expect(await worker.saveWorker({ ...second, state: 'draining' })).toEqual({ drain: true });
    expect(await known()).toMatchObject([{ doing: [] }, { state: 'draining', drain: true }]);
    await worker.removeWorker(first.id);
    expect((await known()).map(({ id }) => id)).toEqual([second.id]);
    await worker.removeWorker(second.id);
  });

  it("keeps a channel's settings at the model's defaults until somebody changes them", async () => {
    const card = { name: 'm', architecture: 'sdxl', sizeMultiple: 8, projections: [] };
    await worker.saveModelCard({ ...card, nativeSize: 128 });
    const [here, there] = [randomUUID(), randomUUID()];
    const { id, settings } = await bot.channel('web', here, 'here');
    await bot.channel('web', there, 'there');
    await bot.saveSettings(id, { ...settings, count: 1 });
    await worker.saveModelCard({ ...card, nativeSize: 1024 });
    expect((await bot.channel('web', here, 'here')).settings).toEqual({ ...DEFAULT_SETTINGS, count: 1 });
    expect((await bot.channel('web', there, 'there')).settings).toMatchObject({
      a1: 4,
      a2: 64,
      steps: 1000,
      guidance: 7,
    });
  });
}
