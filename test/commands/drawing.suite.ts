import { randomUUID } from 'node:crypto';
import sharp from 'sharp';
import { expect, it, vi } from 'vitest';
import { loadCard } from '../../commands/cards/load-card.ts';
import { photo, Room } from './helpers.ts';
import type { Storage } from '../../storage/open.ts';
import { releaseWaiting } from '../../storage/waiting-sets.ts';

/** Prompts, sets and adapters, as members see them. */
export function drawingSuite(storage: () => Storage): void {
  const room = (): Room => new Room(storage());

  it("a prompt doesn't turn the direction of a card's text", async () => {
    const card = await room().say('ann', '/krona imagine a \u202ered\u2066 fox\u2028by Bob');
    expect(card.title).toBe('a red fox by Bob');
  });

  it('the queue of a channel is read at once, however many wait', async () => {
    const channel = room();
    for (let nth = 0; nth < 4; nth++) await channel.say('ann', `/krona imagine cat ${nth}`);
    const each = vi.spyOn(storage().jobs, 'position');
    const { table } = await channel.say('bob', '/krona queue show');
    expect(table!.rows.map(([, what]) => what)).toEqual([0, 1, 2, 3].map((nth) => `imagine cat ${nth}`));
    expect(each).not.toHaveBeenCalled();
    each.mockRestore();
  });

  it('a prompt that names a subject is drawn with its champion; nobody needs the token', async () => {
    const channel = room();
    const [adapter] = await channel.trained('mochi', 'cat');
    const card = await channel.say(
      'bob',
      '/krona imagine a watercolour of MOCHI count:2 seed:4294967295 strength:0.8',
    );
    expect(card).toMatchObject({ tone: 'progress', title: 'a watercolour of MOCHI' });
    const set = await channel.set(card);
    expect(set).toMatchObject({
      prompt: 'a watercolour of MOCHI',
      adapterId: adapter!.id,
      seed: 4294967295,
      count: 2,
      strength: 0.8,
      negative: null,
    });
    const { records } = storage();
    expect(await records.postOf(set.id)).toMatchObject({ kind: 'set' });
    expect(await records.outboxJobs(1000)).toContainEqual({
      id: set.id,
      kind: 'imagine',
      payload: { setId: set.id },
      owner: { channelId: set.channelId, memberId: set.memberId },
    });
    const token = (await records.subject(adapter!.subjectId))!.token;
    expect(JSON.stringify(card)).not.toContain(token);
  });

  it('any other prompt is drawn with the model only, with a random seed', async () => {
    const channel = room();
    const sets = await Promise.all(
      [1, 2].map(async () => channel.set(await channel.say('bob', '/krona imagine 🐈🔥'))),
    );
    for (const set of sets)
      expect(set).toMatchObject({ prompt: '🐈🔥', adapterId: null, subjectId: null, count: 4 });
    expect(sets[0]!.seed).not.toBe(sets[1]!.seed);
    const rtl = await channel.set(await channel.say('bob', '/krona imagine قطة على القمر'));
    expect(rtl.prompt).toBe('قطة على القمر');
  });

  it.each<[string, string, RegExp]>([
    ['no prompt', '', /^OPTION_MISSING: `prompt` is missing/],
    ['an empty prompt', 'prompt:""', /^OPTION_EMPTY: `prompt` is empty/],
    ['5,000 characters', 'x'.repeat(5000), /^OPTION_TOO_LONG: `prompt` has 5000 characters; at most 1000/],
    [
      'a seed over the top',
      'a cat seed:4294967296',
      /^OPTION_INVALID: `seed` must be a whole number from 0 to 4294967295/,
    ],
    ['a seed below 0', 'a cat seed:-1', /^OPTION_INVALID: `seed`/],
    ['too much strength', 'a cat strength:2.1', /^OPTION_INVALID: `strength` must be a number from 0 to 2/],
    ['no pictures', 'a cat count:0', /^OPTION_INVALID: `count` must be a whole number from 1 to 4/],
    ['an unknown subject', 'a cat subject:nobody', /^SUBJECT_UNKNOWN: .*“nobody”.*none yet/],
    ['an unknown adapter', 'a cat adapter:nobody-1', /^ADAPTER_UNKNOWN/],
  ])('is refused with %s', async (_what, text, message) => {
    expect(await room().refusal('ann', `/krona imagine ${text}`)).toMatch(message);
  });

  it('a prompt of exactly 1,000 emoji is fine: characters are counted, not bytes', async () => {
    const channel = room();
    const set = await channel.set(await channel.say('ann', `/krona imagine ${'🐈'.repeat(1000)}`));
    expect([...set.prompt]).toHaveLength(1000);
  });

  it("a subject that can't be drawn yet says why", async () => {
    const channel = room();
    await channel.say('ann', '/krona photos add mochi class:cat', [await photo(1)]);
    expect(await channel.refusal('bob', '/krona imagine mochi')).toMatch(
      /^SUBJECT_NOT_READY: .*not been trained yet.*train subject:mochi/,
    );
    const run = await channel.run(await channel.say('ann', '/krona train mochi'));
    const asked = await channel.say('bob', '/krona imagine mochi');
    expect(asked.progress!.label).toBe('queued behind the training');
    expect(asked.text!.join()).toContain('mochi is still being trained');
    const waiting = await channel.set(asked);
    const { records } = storage();
    const queued = async () => (await records.outboxJobs(1000)).some(({ id }) => id === waiting.id);
    await releaseWaiting(records);
    expect(await queued()).toBe(false);
    const [adapter] = await channel.finishRun(run);
    await releaseWaiting(records);
    expect(await queued()).toBe(true);
    expect(await records.set(waiting.id)).toMatchObject({ adapterId: adapter!.id, awaitsRunId: null });
    await channel.say('bob', '/krona imagine mochi');
    await storage().records.setChampion(adapter!.subjectId, null, false);
    expect(await channel.refusal('bob', '/krona imagine mochi')).toMatch(/no champion. Choose one/);
    expect(await channel.refusal('bob', '/krona imagine a cat subject:mochy')).toMatch(
      /“mochy”.*mean “mochi”/,
    );
  });

  it('pictures that wait for a training fail with it, and say why', async () => {
    const channel = room();
    const run = await channel.run(await channel.say('ann', '/krona train mochi class:cat', [await photo(1)]));
    const asked = await channel.say('bob', '/krona imagine mochi');
    const { records } = storage();
    await records.updateRun(run.id, { state: 'cancelled', endedAt: new Date() });
    await releaseWaiting(records);
    expect((await channel.card(asked)).text!.join()).toMatch(
      /waited for the training of mochi, which was cancelled/,
    );
  });

  it('an adapter of another model is trained again from the stored photos with one press', async () => {
    const channel = room();
    await channel.trained('mochi', 'cat');
    const asked = await channel.say('bob', '/krona imagine mochi on a beach');
    const set = await channel.set(asked);
    const { records } = storage();
    const failure = { code: 'ADAPTER_OTHER_BASE', message: 'It was trained on another model.' };
    await records.updateSet(set.id, { state: 'failed', failure, endedAt: new Date() });
    const { buttons } = await channel.card(asked);
    const retrain = buttons!.find(({ label }) => label === 'Train mochi again')!;
    const card = await channel.press('bob', retrain.action);
    const run = await channel.run(card);
    expect(run).toMatchObject({ state: 'queued', subjectId: set.subjectId });
    expect(run.photoHashes).toHaveLength(1);
    // A second press finds it under way.
    const twice = await channel.press('ann', retrain.action);
    expect(twice.fields![0]!.value).toBe('SUBJECT_BUSY');
    // When it is trained, the same pictures are drawn with the new champion.
    const [now] = await channel.finishRun(run);
    await records.changeChampion(
      { id: randomUUID(), subjectId: set.subjectId!, adapterId: now!.id, cause: 'training' },
      false,
    );
    const redrawn = await channel.set(await channel.press('bob', `again:${set.id}`));
    expect(redrawn.adapterId).toBe(now!.id);
    expect(now!.id).not.toBe(set.adapterId);
    // Other failures have no such button.
    await records.updateSet(set.id, { failure: { ...failure, code: 'ADAPTER_GONE' } });
    expect((await channel.card(asked)).buttons!.map(({ label }) => label)).not.toContain('Train mochi again');
  });

  it('two named subjects are drawn with both champions, and the card names them', async () => {
    const channel = room();
    const [mochi] = await channel.trained('mochi', 'cat');
    const [rex] = await channel.trained('rex', 'dog');
    const card = await channel.say('bob', '/krona imagine mochi and rex on a beach');
    const set = await channel.set(card);
    expect([set.adapterId, ...set.alsoAdapterIds]).toEqual([mochi!.id, rex!.id]);
    const { value } = card.fields!.find(({ name }) => name === 'adapters')!;
    expect(value).toMatch(/^mochi-\d+-[0-9a-f]{6} and rex-\d+-[0-9a-f]{6}$/);
    expect(card.text).toEqual([]);
    // What is drawn of a subject goes with it, also where it is not the first.
    const again = await channel.set(await channel.press('bob', `again:${set.id}`));
    expect(again.alsoAdapterIds).toEqual([rex!.id]);
    await storage().records.deleteSubject(rex!.subjectId, 'By its owner.');
    expect(await storage().records.set(set.id)).toBeNull();
  });

  it('votes steer pictures of the same subject, also of those drawn again', async () => {
    const channel = room();
    await channel.trained('mochi', 'cat');
    const steered = '/krona imagine mochi at sea steer:votes';
    expect(await channel.refusal('bob', steered)).toMatch(/^VOTES_TOO_FEW: No votes on pictures of mochi/);
    const set = await channel.set(await channel.say('ann', '/krona imagine mochi in space count:2'));
    const [first, second] = await channel.finishSet(set);
    await channel.react('bob', set, first!, '👍');
    await channel.react('cid', set, second!, '👎');
    const card = await channel.say('bob', steered);
    const asked = await channel.set(card);
    expect(asked.steering).toEqual({ liked: [first], disliked: [second] });
    const details = await channel.press('bob', `details:${asked.id}`);
    expect(details.fields).toContainEqual({
      name: 'steered by votes',
      value: 'more like 1 liked picture, less like 1 disliked one',
    });
    const again = await channel.set(await channel.press('bob', `again:${asked.id}`));
    expect(again.steering).toEqual(asked.steering);
    expect(await channel.refusal('bob', '/krona imagine a boat steer:votes')).toMatch(
      /^VOTES_TOO_FEW: No votes on pictures without a subject/,
    );
  });

  it('of two named subjects, an untrained one is drawn as any of its class, and the card says so', async () => {
    const channel = room();
    await channel.trained('mochi', 'cat');
    await channel.say('ann', '/krona photos add rex class:dog', [await photo(2)]);
    const card = await channel.say('bob', '/krona imagine rex and mochi');
    expect(card.text!.join()).toContain('rex is drawn as an ordinary dog, without an adapter');
  });

  it('the card follows the set, with votes under each picture', async () => {
    const channel = room();
    await channel.trained('mochi', 'cat');
    const card = await channel.say('ann', '/krona imagine mochi in space count:2');
    const set = await channel.set(card);
    const { records } = storage();
    await records.updateSet(set.id, {
      state: 'running',
      progress: { step: 5, steps: 20, secondsLeft: 3, phase: 'drawing' },
    });
    expect((await channel.card(card)).progress).toEqual({
      fraction: 0.25,
      label: '25% · drawing · 3 s left',
    });
    const [first] = await channel.finishSet(set);
    await channel.react('bob', set, first!, '👍🏽');
    await channel.react('cid', set, first!, '👍');
    await channel.react('ann', set, null, '2️⃣');
    const done = await channel.card(card);
    expect(done).toMatchObject({ tone: 'success', votesOn: set.id });
    expect(done.pictures!.map(({ caption }) => caption)).toEqual(['1 · 👍 2', '2 · 2️⃣ 1']);
    expect(done.pictures!.map(({ alt }) => alt)).toEqual([
      'mochi in space (picture 1 of 2)',
      'mochi in space (picture 2 of 2)',
    ]);
  });

  it('buttons draw again, vary, show details and delete, with the rights of commands', async () => {
    const channel = room();
    const [adapter] = await channel.trained('mochi', 'cat');
    const { records } = storage();
    const set = await channel.set(
      await channel.say('ann', '/krona imagine mochi in space count:2 negative:"blurry, dark" seed:7'),
    );
    const [first] = await channel.finishSet(set);

    const again = await channel.press('bob', `again:${set.id}`);
    const { prompt, negative, count, strength, settings, adapterId, subjectId } = set;
    const same = { prompt, negative, count, strength, settings, adapterId, subjectId };
    const second = await channel.set(again);
    expect(second).toMatchObject({ ...same, state: 'queued', variationOf: null });
    expect(second.seed).not.toBe(7);
    expect((await records.members([second.memberId]))[0]!.name).toBe('bob');

    const varied = await channel.set(await channel.press('cid', `vary:${first!}`));
    expect(varied).toMatchObject({ prompt: 'mochi in space', variationOf: first, adapterId: adapter!.id });

    const details = await channel.press('bob', `details:${set.id}`);
    expect(details.audience).toBe('caller');
    const values = Object.fromEntries(details.fields!.map(({ name, value }) => [name, value]));
    expect(values).toMatchObject({
      seed: '7',
      'negative prompt': 'blurry, dark',
      'picture seeds': '7, 8',
    });

    expect((await channel.press('bob', `delete:${set.id}`)).text!.join()).toMatch(
      /Only the member who requested them/,
    );
    expect(await records.set(set.id)).not.toBeNull();
    const deleted = await channel.press('ann', `delete:${set.id}`);
    expect(deleted).toMatchObject({ title: 'These pictures were deleted', follows: { id: set.id } });
    expect(await records.set(set.id)).toBeNull();
    for (const action of [`again:${set.id}`, `delete:${set.id}`, `vary:${first!}`])
      expect(await channel.press('ann', action)).toMatchObject({ tone: 'error', audience: 'caller' });
    channel.moderators.add('mod');
    await channel.press('mod', `delete:${varied.id}`);
    expect(await records.set(varied.id)).toBeNull();
  });

  it('a picture is drawn again at twice its size, once, with its own seed and adapter', async () => {
    const channel = room();
    const [adapter] = await channel.trained('mochi', 'cat');
    const set = await channel.set(
      await channel.say('ann', '/krona imagine mochi count:2 seed:7 strength:0.5'),
    );
    const [, second] = await channel.finishSet(set);
    expect((await channel.card(await channel.say('bob', '/krona imagine a cat'))).buttons).toHaveLength(1);
    const done = await channel.card({ tone: 'info', title: '', follows: { kind: 'set', id: set.id } });
    expect(done.menu!.choices.map(({ label }) => label)).toEqual(
      expect.arrayContaining(['Vary 2', 'Upscale 1', 'Upscale 2']),
    );
    const upscaled = await channel.set(await channel.press('bob', `upscale:${second!}`));
    expect(upscaled).toMatchObject({
      kind: 'upscale',
      upscaleOf: second,
      count: 1,
      seed: 8,
      strength: 0.5,
      adapterId: adapter!.id,
      prompt: 'mochi',
    });
    expect(upscaled.settings.upscale).toBe('redraw');
    await channel.say('ann', '/krona settings draw upscale:x4');
    const enlarged = await channel.set(await channel.press('bob', `upscale:${second!}`));
    expect(enlarged.settings.upscale).toBe('x4');
    const details = await channel.press('bob', `details:${enlarged.id}`);
    expect(details.fields!.find(({ name }) => name === 'upscaled from')!.value).toMatch(
      /enlarged to four times its size/,
    );
    const [larger] = await channel.finishSet(upscaled);
    const card = await channel.card({ tone: 'info', title: '', follows: { kind: 'set', id: upscaled.id } });
    expect(card.buttons!.map(({ label }) => label)).not.toContain('Upscale 1');
    expect((await channel.press('bob', `upscale:${larger!}`)).fields![0]!.value).toBe('UPSCALED_ALREADY');
    expect((await channel.set(await channel.press('bob', `again:${upscaled.id}`))).kind).toBe('imagine');
  });

  it('a picture becomes an emoji without its background, for the member who asked', async () => {
    const channel = room();
    const set = await channel.set(
      await channel.say('ann', '/krona imagine a Crème-Brûlée on the moon count:2'),
    );
    const [, second] = await channel.finishSet(set);
    const card = await channel.press('bob', `emoji:${second!}`);
    expect(card).toMatchObject({ title: 'Picture 2 as an emoji', audience: 'caller' });
    const [file] = card.files!;
    expect(file!.name).toBe('creme_brulee_moon.png');
    const { info, data } = await sharp(await storage().blobs.get(file!.blobHash))
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect(info).toMatchObject({ width: 128, height: 128, channels: 4 });
    const at = (x: number, y: number) => [...data.subarray(4 * (128 * y + x), 4 * (128 * y + x) + 4)];
    expect(at(0, 64)[3]).toBe(0);
    expect(at(64, 64)).toEqual([32, 48, 128, 255]);
    // Cut to what is drawn, which then fills the frame.
    expect(at(64, 2)[3]).toBe(255);
  });

  it('blocked pictures are counted, with a hint for moderators; hidden ones are shown on request', async () => {
    const channel = room();
    const { records, blobs } = storage();
    const set = await channel.set(await channel.say('bob', '/krona imagine a beach count:4'));
    await records.holdPicture({ setId: set.id, place: 0, unsafe: 0.714 });
    await records.holdPicture({ setId: set.id, place: 2, unsafe: 0.96 });
    const { hash: blobHash } = await blobs.put(Buffer.from('a beach'));
    const drawn = { setId: set.id, blobHash, width: 128, height: 128, seed: 1, adapterId: null };
    const [plain, hidden] = [randomUUID(), randomUUID()];
    await records.addPicture({ ...drawn, id: plain, index: 0, unsafe: 0.1, sensitive: false });
    await records.addPicture({ ...drawn, id: hidden, index: 1, unsafe: 0.9, sensitive: true });
    await records.updateSet(set.id, { state: 'done' });

    const card = await loadCard('set', set.id, channel.context);
    expect(card.text!.join(' ')).toMatch(
      /2 pictures were held back.* as adult \(NSFW\) images \(71%, 96%\).*\/krona rules set safety:/,
    );
    expect(card.pictures!.map(({ id, sensitive, caption }) => [id, sensitive, caption])).toEqual([
      [plain, undefined, '1'],
      [hidden, true, '2'],
    ]);

    const shown = await channel.press('ann', `reveal:${hidden}`);
    expect(shown).toMatchObject({ audience: 'caller', pictures: [{ id: hidden, blobHash }] });
    expect(shown.pictures![0]!.sensitive).toBeUndefined();
    const elsewhere = await room().press('ann', `reveal:${hidden}`);
    expect(elsewhere.fields).toEqual([{ name: 'code', value: 'GONE' }]);

    await channel.react('ann', set, hidden, '👍');
    const top = await channel.say('ann', '/krona top');
    expect(top.pictures).toMatchObject([{ id: hidden, sensitive: true }]);
  });

  it('steps given with imagine are denoising steps, for that set only', async () => {
    const channel = room();
    const set = await channel.set(await channel.say('ann', '/krona imagine a cat steps:5'));
    expect(set.prompt).toBe('a cat');
    expect(set.settings).toMatchObject({ samplingSteps: 5, steps: 500 });
    expect(await channel.refusal('ann', '/krona imagine a cat steps:0')).toMatch(/^OPTION_INVALID: `steps`/);
    expect(await channel.refusal('ann', '/krona imagine a cat lr:0.1')).toMatch(/^OPTION_UNKNOWN: .*“lr”/);
    expect((await channel.set(await channel.say('ann', '/krona imagine a cat'))).settings.samplingSteps).toBe(
      20,
    );
  });

  it('buttons of other channels and unknown buttons do nothing', async () => {
    const [here, there] = [room(), room()];
    const [adapter] = await here.trained('mochi', 'cat');
    const set = await here.set(await here.say('ann', '/krona imagine mochi'));
    there.moderators.add('ann');
    for (const action of [
      `delete:${set.id}`,
      `again:${set.id}`,
      `cancel:${set.id}`,
      `champion:${adapter!.id}`,
      `hint:${adapter!.subjectId}`,
    ])
      expect(await there.press('ann', action)).toMatchObject({ tone: 'error' });
    for (const action of ['explode:1', 'constructor:x', '', 'again:not-an-id'])
      expect(await here.press('ann', action)).toMatchObject({ tone: 'error', audience: 'caller' });
    expect(await storage().records.set(set.id)).toMatchObject({ state: 'queued' });
  });

  it('adapters are listed, linked, chosen and deleted by name', async () => {
    const channel = room();
    const [early, final] = await channel.trained('mochi', 'cat', [100, 200]);
    const { records } = storage();
    const list = await channel.say('bob', '/krona adapters');
    const names = list.table!.rows.map((row) => row[0]!);
    expect(names).toHaveLength(2);
    const name = (id: string): string => names.find((each) => each.endsWith(id.slice(0, 6)))!;
    expect(list.table!.rows.find((row) => row[0] === name(final!.id))![3]).toBe('champion');

    const link = await channel.say('bob', `/krona adapters link ${name(early!.id)}`);
    expect(link.files).toEqual([
      { name: `${name(early!.id)}.safetensors`, blobHash: early!.blobHash, size: early!.size },
    ]);
    expect((await channel.say('bob', '/krona adapters link mochi')).files![0]!.blobHash).toBe(
      final!.blobHash,
    );

    await channel.say('bob', `/krona adapters champion ${name(early!.id)}`);
    expect(await records.subject(early!.subjectId)).toMatchObject({
      championId: early!.id,
      championPinned: true,
    });
    await channel.say('bob', '/krona adapters champion mochi pin:no');
    expect(await records.subject(early!.subjectId)).toMatchObject({
      championId: early!.id,
      championPinned: false,
    });
    const pressed = await channel.press('cid', `champion:${final!.id}`);
    expect(pressed.title).toContain('is the champion of mochi');
    const set = await channel.set(
      await channel.say('bob', `/krona imagine a cat adapter:${name(early!.id)}`),
    );
    expect(set).toMatchObject({ adapterId: early!.id, subjectId: early!.subjectId });

    expect(await channel.refusal('ann', `/krona adapters delete ${name(early!.id)}`)).toMatch(
      /^ADAPTER_BUSY/,
    );
    await channel.finishSet(set);
    expect(await channel.refusal('bob', `/krona adapters delete ${name(final!.id)}`)).toMatch(/^NOT_ALLOWED/);
    const deleted = await channel.say('ann', '/krona adapters delete mochi');
    expect(deleted.text!.join()).toContain('It was the champion of mochi');
    expect(await records.adapter(final!.id)).toBeNull();
    expect(await records.subject(early!.subjectId)).toMatchObject({ championId: null });
    expect(await channel.refusal('bob', `/krona adapters link ${name(final!.id)}`)).toMatch(
      /^ADAPTER_UNKNOWN/,
    );
  });
}
