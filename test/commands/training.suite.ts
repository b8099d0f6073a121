import sharp from 'sharp';
import { expect, it } from 'vitest';
import { file, MODEL, photo, Room, scene } from './helpers.ts';
import type { Storage } from '../../storage/open.ts';

/** Subjects, photos and runs, as members see them. */
export function trainingSuite(storage: () => Storage): void {
  const room = (): Room => new Room(storage());

  it('a subject starts with photos, and everything for its run is written at once', async () => {
    const channel = room();
    const card = await channel.say('ann', '/krona train subject:mochi class:Cat', [
      await photo(1),
      await photo(2),
    ]);
    expect(card).toMatchObject({ tone: 'progress', title: 'Training of mochi is queued' });
    expect(card.aside).toBeUndefined();
    const run = await channel.run(card);
    const { records } = storage();
    expect(run).toMatchObject({ state: 'queued', settings: { steps: 500, method: 'krona' } });
    expect(run.photoHashes).toHaveLength(2);
    expect(await records.postOf(run.id)).toMatchObject({ kind: 'run', messageId: null });
    expect(await records.outboxJobs(1000)).toContainEqual({
      id: run.id,
      kind: 'train',
      payload: { runId: run.id },
      owner: { channelId: run.channelId, memberId: run.memberId },
    });
    const subject = (await records.subjectByName(run.channelId, 'MOCHI'))!;
    expect(subject).toMatchObject({ name: 'mochi', className: 'cat', championId: null });
    const stored = await storage().blobs.get(run.photoHashes[0]!);
    expect(Buffer.from(stored).subarray(1, 4).toString()).toBe('PNG');
  });

  it("masks that some photos can't have are refused before queueing, with the photos' names", async () => {
    const channel = room();
    const cutOut = file('cut-out.png', await scene(1).ensureAlpha().png().toBuffer());
    const plain = await photo(2);
    expect(await channel.refusal('ann', '/krona train mochi cat mask:alpha', [cutOut, plain])).toBe(
      'MASK_MISSING: `mask:alpha` needs photos with transparency, but photo-2.png has none. ' +
        'Use `mask:auto`, which uses what each photo has, or `mask:off`.',
    );
    expect(await channel.refusal('ann', '/krona train mochi cat mask:border', [cutOut, plain])).toMatch(
      /^MASK_MISSING: `mask:border` needs photos with a border of one colour, but cut-out.png, photo-2.png have none/,
    );
    expect(await channel.say('ann', '/krona queue')).toMatchObject({
      title: 'The queue is empty',
    });
    // Photos that the subject has already count too.
    await channel.say('ann', '/krona photos add mochi class:cat', [plain]);
    expect(await channel.refusal('ann', '/krona train mochi mask:alpha', [cutOut])).toMatch(
      /photo-2\.png has none/,
    );
    const card = await channel.say('ann', '/krona train mochi mask:auto', [cutOut]);
    expect((await channel.run(card)).photoHashes).toHaveLength(2);

    const bar = { width: 40, height: 60, channels: 3, background: '#203080' } as const;
    const drawn = await sharp({ create: { width: 90, height: 80, channels: 3, background: '#fff' } })
      .composite([{ input: await sharp({ create: bar }).png().toBuffer() }])
      .png()
      .toBuffer();
    const bordered = await channel.say('ann', '/krona train robot robot mask:border', [file('a.png', drawn)]);
    expect((await channel.run(bordered)).settings.mask).toBe('border');
  });

  it('settings that depend on the photos can be given with train, for that run only', async () => {
    const channel = room();
    await channel.say('ann', '/krona settings prior:20 crop:random');
    const line = '/krona train mochi cat mask:auto prior:100 crop:center flip:yes';
    const card = await channel.say('ann', line, [await photo(1)]);
    expect((await channel.run(card)).settings).toMatchObject({
      mask: 'auto',
      prior: 100,
      crop: 'center',
      flip: true,
    });
    expect((await channel.actor('ann')).channel.settings).toMatchObject({
      mask: 'off',
      prior: 20,
      crop: 'random',
      flip: false,
    });
  });

  it('steps and method given with train apply to that run only', async () => {
    const channel = room();
    const card = await channel.say('ann', '/krona train mochi cat steps:50 method:krona', [await photo(1)]);
    expect((await channel.run(card)).settings).toMatchObject({ steps: 50, method: 'krona' });
    expect((await channel.actor('ann')).channel.settings).toMatchObject({ steps: 500, method: 'krona' });
  });

  it('several members build one subject, and each can remove only their own photos', async () => {
    const channel = room();
    await channel.say('ann', '/krona photos add subject:mochi class:cat', [await photo(1)]);
    const second = await channel.say('bob', '/krona photos mochi', [await photo(2), await photo(3)]);
    expect(second).toMatchObject({ tone: 'success', title: '2 photos of mochi added' });
    const list = await channel.say('cid', '/krona photos list mochi');
    expect(list.pictures!.map(({ caption }) => caption)).toEqual(['1 · ann', '2 · bob', '3 · bob']);
    expect(await channel.refusal('bob', '/krona photos remove mochi 1')).toMatch(
      /^NOT_ALLOWED: Photo 1 is not yours/,
    );
    expect(await channel.refusal('cid', '/krona photos remove mochi mine')).toMatch(/^PHOTO_UNKNOWN/);
    expect(await channel.refusal('bob', '/krona photos remove mochi 4')).toMatch(/^PHOTO_UNKNOWN: .*1 to 3/);
    expect(await channel.say('bob', '/krona photos remove mochi 3')).toMatchObject({
      title: '1 photo of mochi removed',
    });
    channel.moderators.add('mod');
    await channel.say('mod', '/krona photos remove mochi photo:2');
    const { rows } = (await channel.say('ann', '/krona photos')).table!;
    expect(rows).toEqual([['mochi', 'cat', '1', 'ann']]);
  });

  it('photos have captions, given with them or later, and a run uses them', async () => {
    const channel = room();
    const photos = [await photo(1), await photo(2)];
    await channel.say('ann', '/krona photos add bibi guinea pig', photos);
    expect((await channel.say('ann', '/krona photos')).table!.rows[0]!.slice(0, 2)).toEqual([
      'bibi',
      'guinea pig',
    ]);
    expect(await channel.refusal('ann', '/krona photos add mochi class:cat caption:a|b|c', photos)).toMatch(
      /^CAPTIONS_COUNT: There are 3 captions for 2 photos/,
    );
    await channel.say('ann', '/krona photos add mochi class:cat caption:"Mochi asleep on grass |"', photos);
    await channel.say('bob', '/krona photos add mochi caption:in a box', [await photo(3), await photo(4)]);
    const shown = async () =>
      (await channel.say('cid', '/krona photos list mochi')).pictures!.map(({ caption }) => caption);
    expect(await shown()).toEqual([
      '1 · ann · Mochi asleep on grass',
      '2 · ann',
      '3 · bob · in a box',
      '4 · bob · in a box',
    ]);
    expect(await channel.refusal('bob', '/krona photos caption mochi 2 a cat on a sofa')).toMatch(
      /^NOT_ALLOWED: Photo 2 is not yours\. .* can caption it/,
    );
    const long = `/krona photos caption mochi 2 ${'x'.repeat(301)}`;
    expect(await channel.refusal('ann', long)).toMatch(/^OPTION_TOO_LONG/);
    await channel.say('ann', '/krona photos caption mochi 2 a cat on a sofa');
    await channel.say('bob', '/krona photos caption mochi 4');
    expect((await shown()).slice(1)).toEqual(['2 · ann · a cat on a sofa', '3 · bob · in a box', '4 · bob']);

    expect(await channel.refusal('ann', '/krona train mochi caption:by the sea')).toMatch(
      /^CAPTIONS_COUNT: .*\/krona photos caption/,
    );
    const card = await channel.say('ann', '/krona train mochi caption:by the sea', [await photo(5)]);
    const { photoPrompts, photoHashes, subjectId } = await channel.run(card);
    const { token } = (await storage().records.subject(subjectId))!;
    expect(photoHashes).toHaveLength(5);
    expect(photoPrompts).toEqual([
      `${token} cat asleep on grass`,
      `a ${token} cat on a sofa`,
      `a ${token} cat, in a box`,
      null,
      `a ${token} cat, by the sea`,
    ]);
  });

  it('a caption with a refused word is refused', async () => {
    const channel = room();
    channel.moderators.add('mod');
    await channel.say('mod', '/krona rules words add:gore');
    const line = '/krona photos add mochi class:cat caption:full of gore';
    expect(await channel.refusal('ann', line, [await photo(1)])).toMatch(/^PROMPT_REFUSED/);
    await channel.say('ann', '/krona photos add mochi class:cat', [await photo(1)]);
    expect(await channel.refusal('ann', '/krona photos caption mochi 1 gore')).toMatch(/^PROMPT_REFUSED/);
  });

  it('bad photos are reported in one answer, and the good ones are used', async () => {
    const channel = room();
    const good = await photo(1, 'good.png');
    const card = await channel.say('ann', '/krona train mochi cat', [
      good,
      file('empty.png', new Uint8Array()),
      file('page.jpg', Buffer.from('<html>')),
      file('tiny.png', await scene(2, 40, 40).png().toBuffer()),
      file('copy.png', await good.read()),
      file('worse.jpg', await scene(1).jpeg({ quality: 50 }).toBuffer()),
    ]);
    expect((await channel.run(card)).photoHashes).toHaveLength(2);
    expect(card.aside).toMatchObject({ audience: 'caller', title: '2 of 6 photos kept' });
    const text = card.aside!.text!.join('\n');
    expect(text).toMatch(/empty\.png has 0 bytes/);
    expect(text).toMatch(/page\.jpg is not a readable image/);
    expect(text).toMatch(/tiny\.png has 40×40/);
    expect(text).toMatch(/copy\.png is the same photo as good\.png/);
    expect(text).toMatch(/worse\.jpg is kept.*almost the same as good\.png/);
  });

  it('the same photo from another member is not added twice', async () => {
    const channel = room();
    await channel.say('ann', '/krona photos add mochi class:cat', [await photo(1, 'one.png')]);
    const again = await channel.say('bob', '/krona photos add mochi', [
      file('same.tiff', await scene(1).tiff({ compression: 'lzw' }).toBuffer()),
    ]);
    expect(again).toMatchObject({ tone: 'warning', audience: 'caller' });
    expect(again.text!.join()).toContain('same.tiff is the same photo as one.png, which mochi already has');
  });

  it('too many photos are refused with the limit, and nothing is lost', async () => {
    const channel = room();
    const thirty = await Promise.all(Array.from({ length: 30 }, (_, i) => photo(100 + i)));
    expect(await channel.refusal('ann', '/krona train mochi cat', thirty)).toMatch(
      /^TOO_MANY_FILES: You sent 30 files.*at most 10.*at most 20/,
    );
    const { channel: here } = await channel.actor('ann');
    expect(await storage().records.subjects(here.id)).toEqual([]);
    await channel.say('ann', '/krona photos add mochi class:cat', thirty.slice(0, 10));
    await channel.say('bob', '/krona photos add mochi', thirty.slice(10, 18));
    const last = await channel.say('cid', '/krona photos add mochi', thirty.slice(18, 23));
    expect(last.title).toBe('2 photos of mochi added');
    expect(last.aside!.text!.join('\n')).toMatch(/photo-120\.png is not kept: mochi already has 20 photos/);
    expect((await channel.say('ann', '/krona photos list mochi')).pictures).toHaveLength(20);
  });

  it('a run needs a photo, a class for a new name, and a usable name', async () => {
    const channel = room();
    expect(await channel.refusal('ann', '/krona train mochi cat')).toMatch(/^NO_PHOTOS/);
    const bad = file('page.jpg', Buffer.from('<html>'));
    expect(await channel.refusal('ann', '/krona train mochi cat', [bad])).toMatch(
      /^NO_PHOTOS: .*page\.jpg is not a readable image/,
    );
    expect(await channel.refusal('ann', '/krona photos add mochi class:cat', [bad])).toMatch(
      /^NO_PHOTOS: page\.jpg/,
    );
    const one = await photo(1);
    expect(await channel.refusal('ann', '/krona train mochi', [one])).toMatch(
      /^CLASS_MISSING: mochi is new here/,
    );
    expect(await channel.refusal('ann', '/krona train subject:"my cat" class:cat', [one])).toMatch(
      /^SUBJECT_NAME/,
    );
    expect(await channel.refusal('ann', '/krona train mochi cat steps:0', [one])).toMatch(
      /^OPTION_INVALID: `steps`.*1 to 5000/,
    );
    const { channel: here } = await channel.actor('ann');
    expect(await storage().records.subjects(here.id)).toEqual([]);
    await channel.say('ann', '/krona train mochi cat', [one]);
    expect(await channel.refusal('ann', '/krona photos add mochi class:dog', [await photo(2)])).toMatch(
      /^CLASS_DIFFERS/,
    );
  });

  it('a subject is not trained twice at a time, even when two members ask at once', async () => {
    const channel = room();
    await channel.say('ann', '/krona photos add mochi class:cat', [await photo(1)]);
    const answers = await Promise.all(
      ['ann', 'bob', 'cid'].map((name) => channel.say(name, '/krona train mochi')),
    );
    expect(answers.map(({ tone }) => tone).sort()).toEqual(['error', 'error', 'progress']);
    const busy = await channel.refusal('dee', '/krona train mochi');
    expect(busy).toMatch(
      /^SUBJECT_BUSY: Training of mochi is already queued.*queue cancel work:[0-9a-f]{8}`/,
    );
    await channel.finishRun(await channel.run(answers.find(({ tone }) => tone === 'progress')!));
    expect(await channel.say('bob', '/krona train mochi')).toMatchObject({ tone: 'progress' });
  });

  it('two members who create the same subject at once share it', async () => {
    const channel = room();
    const [one, two] = [await photo(1), await photo(2)];
    await Promise.all([
      channel.say('ann', '/krona photos add mochi class:cat', [one]),
      channel.say('bob', '/krona photos add Mochi class:cat', [two]),
    ]);
    const { rows } = (await channel.say('ann', '/krona photos')).table!;
    expect(rows).toHaveLength(1);
    expect(rows[0]![2]).toBe('2');
  });

  it('the card follows the run: position, percent, time left, loss, samples, result', async () => {
    const channel = room();
    const { records, jobs } = storage();
    const card = await channel.say('ann', '/krona train mochi cat steps:200', [await photo(1)]);
    const run = await channel.run(card);
    await jobs.enqueue('train', run.id, { runId: run.id });
    expect((await channel.card(card)).progress!.label).toMatch(/in the queue$/);
    await records.updateRun(run.id, {
      state: 'running',
      progress: { step: 90, steps: 200, secondsLeft: 32.4, phase: 'training' },
      losses: [
        { step: 10, loss: 0.3 },
        { step: 90, loss: 0.1 },
      ],
    });
    const running = await channel.card(card);
    expect(running.progress).toEqual({
      fraction: 0.45,
      label: '45% · training · step 90 of 200 · 32 s left',
    });
    expect(running.charts?.[0]?.points).toEqual([
      { x: 10, y: 0.3 },
      { x: 90, y: 0.1 },
    ]);
    expect(running.buttons).toEqual([
      { action: `cancel:${run.id}`, label: 'Cancel', style: 'danger' },
      { action: `samples:${run.id}`, label: 'Samples' },
      { action: `settings:${run.id}`, label: 'Settings' },
    ]);
    const early = await channel.press('bob', `samples:${run.id}`);
    expect(early).toMatchObject({ title: 'Samples of mochi', audience: 'caller' });
    expect(early.text!.join()).toMatch(/No samples yet/);
    expect(early.pictures).toBeUndefined();

    const [, final] = await channel.finishRun(run, [100, 200]);
    const done = await channel.card(card);
    expect(done).toMatchObject({
      tone: 'success',
      title: 'mochi is trained',
      files: [{ blobHash: final!.blobHash }],
    });
    expect(done.files![0]!.name).toMatch(/^mochi-200-[0-9a-f]{6}\.safetensors$/);
    expect(done.buttons!.map(({ action }) => action.split(':')[0])).toEqual(['hint', 'samples', 'settings']);
    const asked = await channel.press('bob', `settings:${run.id}`);
    expect(asked.audience).toBe('caller');
    expect(Object.fromEntries(asked.fields!.map(({ name, value }) => [name, value]))).toMatchObject({
      subject: 'mochi (cat)',
      photos: '1',
      'learning rate': String(run.settings.lr),
      seed: String(run.seed),
      checkpoints: '100, 200',
    });
    const elsewhere = room();
    expect((await elsewhere.press('bob', `settings:${run.id}`)).fields).toContainEqual({
      name: 'code',
      value: 'GONE',
    });
  });

  it('a failed run says why and what to do', async () => {
    const channel = room();
    const card = await channel.say('ann', '/krona train mochi cat', [await photo(1)]);
    const failure = { code: 'OUT_OF_MEMORY', message: 'The machine ran out of memory; use fewer photos.' };
    await storage().records.updateRun((await channel.run(card)).id, {
      state: 'failed',
      failure,
      endedAt: new Date(),
    });
    const failed = await channel.card(card);
    expect(failed).toMatchObject({ tone: 'error', title: 'Training of mochi failed' });
    expect(failed.text!.join('\n')).toMatch(/out of memory.*\n.*\/krona train subject:mochi/);
  });

  it('members can cancel only their own jobs, by command and by button', async () => {
    const channel = room();
    const { records, jobs } = storage();
    const first = await channel.run(await channel.say('ann', '/krona train mochi cat', [await photo(1)]));
    const queue = await channel.say('bob', '/krona queue');
    expect(queue.table!.rows).toEqual([[first.id.slice(0, 8), 'train mochi', 'ann', 'queued']]);
    expect(await channel.refusal('bob', '/krona queue cancel')).toMatch(/^WORK_UNKNOWN: You have no jobs/);
    expect(await channel.refusal('bob', `/krona queue cancel ${first.id.slice(0, 8)}`)).toMatch(
      /^NOT_ALLOWED/,
    );
    expect((await channel.press('bob', `cancel:${first.id}`)).text!.join()).toMatch(
      /Only the member who requested it or a moderator/,
    );
    expect(await channel.say('ann', '/krona queue cancel')).toMatchObject({
      title: 'Cancelled: train mochi',
    });
    expect(await records.run(first.id)).toMatchObject({ state: 'cancelled' });
    expect(await jobs.state('train', first.id)).toBe('cancelled');
    expect((await channel.press('ann', `cancel:${first.id}`)).text!.join()).toMatch(/already cancelled/);

    const second = await channel.run(await channel.say('ann', '/krona train mochi'));
    channel.moderators.add('mod');
    const cancelled = await channel.press('mod', `cancel:${second.id}`);
    expect(cancelled).toMatchObject({ tone: 'warning', title: 'Training of mochi was cancelled' });
    expect(await channel.say('ann', '/krona queue')).toMatchObject({
      title: 'The queue is empty',
    });
  });

  it('settings are checked before anything runs, even if the model has changed', async () => {
    const channel = room();
    const { records } = storage();
    await channel.say('ann', '/krona settings a1:8 a2:64');
    await records.saveModelCard({
      ...MODEL,
      projections: [{ path: 'mid_block.attentions.0.to_q', out: 36, in: 64 }],
    });
    try {
      expect(await channel.refusal('ann', '/krona train mochi cat', [await photo(1)])).toMatch(
        /^FACTORS_UNFIT: a1=8 does not divide 36 \(mid_block … to_q\)/,
      );
    } finally {
      await records.saveModelCard(MODEL);
    }
  });
}
