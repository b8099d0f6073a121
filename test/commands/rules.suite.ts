import { createHash, randomUUID } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { defaultRules, type ChannelRules, type Quota } from '../../core/rules.ts';
import { photo, Room } from './helpers.ts';
import type { Storage } from '../../storage/open.ts';

/** What a channel's moderators allow, forbid and read. */
export function rulesSuite(storage: () => Storage): void {
  const room = (): Room => {
    const channel = new Room(storage());
    channel.moderators.add('mod');
    return channel;
  };
  const setRules = async (channel: Room, change: Partial<ChannelRules>) => {
    const { id } = (await channel.actor('mod')).channel;
    await storage().records.saveRules(id, { ...defaultRules('web'), ...change });
  };

  it('are shown to everybody and changed only by moderators', async () => {
    const channel = room();
    const shown = await channel.say('bob', '/krona rules');
    expect(shown).toMatchObject({ audience: 'caller', title: 'Rules of this channel' });
    expect(shown.table!.rows).toContainEqual(['who can train', 'everyone']);
    expect(shown.table!.rows).toContainEqual(['pictures of a member in an hour', 'no limit']);
    for (const line of [
      'set member_pictures:5',
      'roles train moderators',
      'block ann',
      'unblock ann',
      'words add:bad',
      'log',
    ])
      expect(await channel.refusal('bob', `/krona rules ${line}`)).toMatch(/^NOT_ALLOWED: Only moderators/);
    expect(await channel.refusal('mod', '/krona rules set')).toMatch(/^OPTION_MISSING/);

    // The web chat has no servers.
    for (const line of ['set server_trainings:3', 'block ann scope:server'])
      expect(await channel.refusal('mod', `/krona rules ${line}`)).toMatch(/^NO_SERVER/);

    const card = await channel.say('mod', '/krona rules set member_pictures:5 channel_open:3');
    expect(card.text![0]).toContain('no limit → 5');
    expect(await channel.say('mod', '/krona rules set member_pictures:5')).toMatchObject({
      title: 'No change',
    });
    await channel.say('mod', '/krona rules set channel_open:0');
    const { rows } = (await channel.say('bob', '/krona rules show')).table!;
    expect(rows).toContainEqual(['pictures of a member in an hour', '5']);
    expect(rows).toContainEqual(['open jobs of the channel', 'no limit']);
  });

  it('decide about adult images: by model and platform, or as moderators choose', async () => {
    const channel = room();
    const what = 'adult (NSFW) images';
    const rows = async () => (await channel.say('bob', '/krona rules')).table!.rows;
    expect(await rows()).toContainEqual([what, 'not checked (default)']);
    expect(await channel.refusal('bob', '/krona rules set safety:off')).toMatch(/^NOT_ALLOWED/);

    const card = await channel.say('mod', '/krona rules set safety:block safety_percent:70');
    expect(card.text![0]).toMatch(/adult \(NSFW\) images: block, .*50% → 70%/);
    expect(await rows()).toContainEqual([what, 'held back']);
    expect(await rows()).toContainEqual(['probability above which the safety check acts', '70%']);
    expect(await channel.say('mod', '/krona rules set safety:block')).toMatchObject({
      title: 'No change',
    });
    expect(await channel.refusal('mod', '/krona rules set safety:maybe')).toMatch(/^OPTION_INVALID/);
    await channel.say('mod', '/krona rules set safety:default');
    expect(await rows()).toContainEqual([what, 'not checked (default)']);
  });

  describe('rights', () => {
    it('belong to everyone, moderators or roles, and apply to buttons too', async () => {
      const channel = room();
      channel.roles.set('art', ['55', '77']);
      channel.roles.set('bob', ['99']);
      const [adapter] = await channel.trained('mochi', 'cat');
      const set = await channel.set(await channel.say('bob', '/krona imagine mochi'));
      const [picture] = await channel.finishSet(set);

      await channel.say('mod', '/krona rules roles right:imagine who:"<@&77>, <!subteam^88|artists>"');
      await channel.say('mod', '/krona rules roles train moderators');
      await channel.say('mod', '/krona rules roles settings 77');
      expect(await channel.refusal('bob', '/krona imagine mochi')).toMatch(
        /^NOT_ALLOWED: Only moderators and members with certain roles can draw here/,
      );
      for (const action of [
        `vary:${picture!}`,
        `again:${set.id}`,
        `upscale:${picture!}`,
        `champion:${adapter!.id}`,
      ])
        expect(await channel.press('bob', action)).toMatchObject({
          audience: 'caller',
          fields: [{ value: 'NOT_ALLOWED' }],
        });
      expect((await channel.press('bob', `details:${set.id}`)).tone).toBe('info');
      expect(await channel.refusal('bob', '/krona settings steps:5')).toMatch(/^NOT_ALLOWED/);
      expect(await channel.refusal('bob', '/krona adapters rollback mochi')).toMatch(/^NOT_ALLOWED/);
      expect((await channel.say('bob', '/krona settings')).tone).toBe('info');
      expect(await channel.refusal('art', '/krona train mochi')).toMatch(
        /^NOT_ALLOWED: Only moderators can train/,
      );

      expect((await channel.say('art', '/krona imagine mochi')).tone).toBe('progress');
      expect((await channel.press('art', `again:${set.id}`)).tone).toBe('progress');
      expect((await channel.say('art', '/krona settings steps:5')).tone).toBe('success');
      expect((await channel.say('mod', '/krona train mochi')).tone).toBe('progress');
      await channel.say('mod', '/krona rules roles imagine everyone');
      expect((await channel.say('bob', '/krona imagine mochi')).tone).toBe('progress');
    });

    it("are refused for unknown roles, and unknown members can't be blocked", async () => {
      const channel = room();
      for (const who of ['?!', '<@77>', '<@U7|ann>, 88', '<#C3|pets>'])
        expect(await channel.refusal('mod', `/krona rules roles train "${who}"`)).toMatch(/^ROLES_INVALID/);
      expect(await channel.refusal('mod', '/krona rules block <@&77>')).toMatch(/^MEMBER_UNKNOWN/);
      expect(await channel.refusal('mod', '/krona rules roles dance everyone')).toMatch(
        /^OPTION_INVALID: `right`/,
      );
    });

    it('only moderators bring in members by mentioning them', async () => {
      const channel = room();
      expect(await channel.refusal('bob', '/krona gallery member:"<@!4712|Mod>"')).toMatch(/^MEMBER_UNKNOWN/);
      expect(await storage().records.memberByExternalId('web', '4712')).toBeNull();
      // A forged button asks for more votes than there are members in the world.
      expect((await channel.press('bob', 'gallery:<0.99999999999...')).title).toBe('Gallery');
    });

    it('a search reads the index a few times at most', async () => {
      const channel = room();
      const long = (words: string) => channel.say('bob', `/krona gallery "${words}"`);
      expect((await long('a ab abc ABC b c d e f g h')).title).toBe('Gallery');
      expect(await channel.refusal('bob', '/krona gallery "a b c d e f g h i"')).toMatch(/^SEARCH_TOO_LONG/);
    });
  });

  it("a blocked member can only read help and get their own data; their votes don't count", async () => {
    const channel = room();
    await channel.trained('mochi', 'cat');
    const set = await channel.set(await channel.say('bob', '/krona imagine mochi count:1'));
    const [picture] = await channel.finishSet(set);
    await channel.react('eve', set, picture!, '👍');
    expect(await channel.refusal('mod', '/krona rules block eva')).toMatch(/^MEMBER_UNKNOWN: .*mean “eve”/);
    await channel.say('mod', '/krona rules block EVE');
    for (const line of ['imagine a cat', 'photos', 'rules', 'queue'])
      expect(await channel.refusal('eve', `/krona ${line}`)).toMatch(/^BLOCKED: /);
    expect((await channel.press('eve', `again:${set.id}`)).fields![0]!.value).toBe('BLOCKED');
    expect((await channel.react('eve', set, picture!, '❤️')).recorded).toBe(false);
    expect((await channel.react('eve', set, picture!, '👍', false)).recorded).toBe(true);
    expect((await channel.say('eve', '/krona help')).tone).toBe('info');
    expect((await channel.say('eve', '/krona privacy')).tone).toBe('info');
    expect((await channel.say('mod', '/krona rules')).text!.join()).toContain('Blocked: eve.');
    expect((await channel.say('bob', '/krona rules')).text!.join()).not.toContain('eve');

    // Somebody who has done nothing here yet, as the platform mentions him.
    await channel.say('mod', '/krona rules block <@!4711>');
    await channel.say('mod', '/krona rules unblock eve');
    expect((await channel.say('eve', '/krona imagine a cat')).tone).toBe('progress');
    await channel.say('mod', '/krona rules unblock 4711');
    expect((await channel.say('mod', '/krona rules')).table!.rows).toContainEqual(['blocked members', '0']);
  });

  it('refused words are found as whole words, in any case, accents and spacing, in prompts and names', async () => {
    const channel = room();
    for (const word of ['Blut', 'très méchant', '血', 'ass'])
      await channel.say('mod', `/krona rules words add:"${word}"`);
    expect(await channel.say('mod', '/krona rules words add:BLUT')).toMatchObject({
      title: 'No change',
    });
    for (const prompt of [
      'a cat in BLUT',
      'bl\u00adut',
      'ｂｌｕｔ everywhere',
      'TRES\n  mechant',
      'très-méchant',
      '鮮血の絵',
      'blüt',
    ])
      expect(await channel.refusal('mod', `/krona imagine prompt:"${prompt}"`), prompt).toMatch(
        /^PROMPT_REFUSED: “/,
      );
    for (const prompt of ['a bluthund', 'a grass field', 'très gentil', 'mechant'])
      expect((await channel.say('bob', `/krona imagine ${prompt}`)).tone).toBe('progress');
    expect(await channel.refusal('bob', '/krona train blut class:cat', [await photo(1)])).toMatch(
      /^PROMPT_REFUSED/,
    );
    expect(await channel.refusal('bob', '/krona photos add rex class:ass', [await photo(1)])).toMatch(
      /^PROMPT_REFUSED/,
    );
    // A set from before the rule is not drawn again.
    const set = await channel.set(await channel.say('bob', '/krona imagine a red moon'));
    await channel.finishSet(set);
    await channel.say('mod', '/krona rules words add:moon');
    expect((await channel.press('bob', `again:${set.id}`)).fields![0]!.value).toBe('PROMPT_REFUSED');
    await channel.say('mod', '/krona rules words remove:MOON');
    expect((await channel.press('bob', `again:${set.id}`)).tone).toBe('progress');
    expect(await channel.refusal('mod', '/krona rules words add:"!?"')).toMatch(/^WORD_INVALID/);
    expect((await channel.say('mod', '/krona rules')).text!.join()).toContain('très méchant');
    expect((await channel.say('bob', '/krona rules')).text!.join()).not.toContain('méchant');
  });

  describe('quotas', () => {
    const quota = { trainings: null, pictures: null, open: null, photos: null, storage: null };

    it('of pictures count what was requested, even if deleted, and say when they reset', async () => {
      const channel = room();
      await setRules(channel, { member: { ...quota, pictures: 5 } });
      const set = await channel.set(await channel.say('bob', '/krona imagine a cat count:4'));
      await channel.finishSet(set);
      expect(await channel.refusal('bob', '/krona imagine a cat count:2')).toMatch(
        /^QUOTA_EXCEEDED: You can request 5 pictures in an hour\. Try again in (59 min|1 h) \(\d\d:\d\d UTC\)\.$/,
      );
      // The database counts the hour: a bot whose clock is wrong lets nobody have more, and keeps nobody longer.
      const now = Date.now.bind(Date);
      for (const hours of [25, -25]) {
        vi.spyOn(Date, 'now').mockImplementation(() => now() + hours * 3600_000);
        expect(await channel.refusal('bob', '/krona imagine a cat count:2')).toMatch(
          /again in (59 min|1 h) /,
        );
      }
      vi.restoreAllMocks();
      await channel.press('bob', `delete:${set.id}`);
      expect((await channel.press('bob', `again:${set.id}`)).tone).toBe('error');
      expect(await channel.refusal('bob', '/krona imagine a cat count:2')).toMatch(/^QUOTA_EXCEEDED/);
      expect((await channel.say('cid', '/krona imagine a cat count:4')).tone).toBe('progress');
      const last = await channel.set(await channel.say('bob', '/krona imagine a cat count:1'));
      expect((await channel.press('bob', `again:${last.id}`)).fields![0]!.value).toBe('QUOTA_EXCEEDED');
      // What failed is given back.
      await storage().records.updateSet(last.id, { state: 'failed', endedAt: new Date() });
      expect((await channel.press('bob', `again:${last.id}`)).tone).toBe('progress');
      await setRules(channel, { member: { ...quota, pictures: 3 } });
      expect(await channel.refusal('dee', '/krona imagine a cat count:4')).toMatch(/this request is for 4/);
      // Moderators are not bound.
      expect((await channel.say('mod', '/krona imagine a cat count:4')).tone).toBe('progress');
    });

    it('of trainings and of the channel apply to all its members together', async () => {
      const channel = room();
      await setRules(channel, { channel: { ...quota, trainings: 1 } });
      await channel.trained('mochi', 'cat');
      expect(await channel.refusal('bob', '/krona train rex class:dog', [await photo(2)])).toMatch(
        /^QUOTA_EXCEEDED: This channel can start 1 training in 24 hours\. Try again in (23 h 59 min|24 h) /,
      );
      expect(
        await storage().records.subjectByName((await channel.actor('bob')).channel.id, 'rex'),
      ).toBeNull();
      expect((await channel.say('mod', '/krona train mochi')).tone).toBe('progress');
    });

    it('of open jobs admit the next one when a job ends, and only one of two at once', async () => {
      const channel = room();
      await setRules(channel, { member: { ...quota, open: 2 } });
      const first = await channel.set(await channel.say('bob', '/krona imagine a cat'));
      const both = await Promise.all([1, 2, 3].map(() => channel.say('bob', '/krona imagine a dog')));
      expect(both.filter(({ tone }) => tone === 'progress')).toHaveLength(1);
      await storage().records.updateSet(first.id, {
        state: 'running',
        progress: { step: 1, steps: 20, secondsLeft: 12, phase: 'drawing' },
      });
      expect(await channel.refusal('bob', '/krona imagine a cat')).toMatch(
        /^QUOTA_EXCEEDED: You can have 2 jobs queued or running at once.*about 12 s\. `\/krona queue show`/,
      );
      await channel.finishSet(first);
      expect((await channel.say('bob', '/krona imagine a cat')).tone).toBe('progress');
    });
  });

  it('photos count when they are sent, kept or not, with a training too', async () => {
    const channel = room();
    const none = { trainings: null, pictures: null, open: null, photos: null, storage: null };
    await setRules(channel, { member: { ...none, photos: 4 } });
    const two = [await photo(1), await photo(2)];
    await channel.say('bob', '/krona photos add mochi class:cat', two);
    // The same again: none is kept.
    await channel.say('bob', '/krona photos add mochi', two);
    const third = [await photo(3)];
    expect(await channel.refusal('bob', '/krona photos add mochi', third)).toMatch(
      /^QUOTA_EXCEEDED: You can send 4 photos in 24 hours\. Try again in (23 h|24 h)/,
    );
    expect(await channel.refusal('bob', '/krona train mochi', third)).toMatch(/^QUOTA_EXCEEDED/);
    expect((await channel.say('bob', '/krona train mochi')).tone).toBe('progress');
    expect((await channel.say('cid', '/krona photos add mochi', third)).tone).toBe('success');
  });

  it('storage counts in bytes: of a member, of the channel, and of all channels together', async () => {
    const channel = room();
    const { records } = storage();
    const none = { trainings: null, pictures: null, open: null, photos: null, storage: null };
    await setRules(channel, { member: { ...none, storage: 1 }, channel: { ...none, storage: 3 } });
    const channelId = (await channel.actor('bob')).channel.id;
    const store = async (name: string, mebibytes: number) => {
      const card = await channel.say(name, '/krona imagine a cat');
      const set = await channel.set(card);
      await records.addPicture({
        id: randomUUID(),
        setId: set.id,
        index: 0,
        blobHash: createHash('sha256').update(set.id).digest('hex'),
        size: mebibytes * 1024 ** 2,
        width: 8,
        height: 8,
        seed: 1,
        adapterId: null,
      });
      await records.updateSet(set.id, { state: 'done', endedAt: new Date() });
      return set;
    };
    const big = await store('bob', 2);
    expect(await records.storedBytes({ channelId, reach: 'channel' })).toBe(2 * 1024 ** 2);
    for (const line of ['imagine a cat', 'train mochi class:cat', 'photos add mochi class:cat'])
      expect(
        await channel.refusal('bob', `/krona ${line}`, line.startsWith('i') ? [] : [await photo(1)]),
      ).toMatch(
        /^STORAGE_FULL: You can have 1\.0 MiB of photos, pictures and adapters stored, and 2\.0 MiB are\./,
      );
    expect((await channel.say('bob', '/krona queue')).text).toContain('You: 2.0 MiB of 1.0 MiB stored.');
    await store('cid', 1);
    expect(await channel.refusal('dee', '/krona imagine a cat')).toMatch(/^STORAGE_FULL: This channel/);
    await channel.press('bob', `delete:${big.id}`);
    expect((await channel.say('bob', '/krona imagine a cat')).tone).toBe('progress');

    vi.stubEnv('KRONA_STORAGE', String(1 / 1024));
    expect(await channel.refusal('mod', '/krona imagine a cat')).toMatch(
      /^STORAGE_FULL: All channels together/,
    );
    vi.stubEnv('KRONA_STORAGE', '0');
    expect((await channel.say('mod', '/krona imagine a cat')).tone).toBe('progress');
    vi.unstubAllEnvs();
  });

  it('rules that an earlier release saved have no limits that the release lacked', async () => {
    const channel = room();
    const quota = { trainings: null, pictures: 7, open: null } as unknown as Quota;
    await setRules(channel, { member: quota });
    const { member } = await storage().records.rules((await channel.actor('bob')).channel.id);
    expect(member).toEqual({ trainings: null, pictures: 7, open: null, photos: null, storage: null });
  });

  it('the queue shows what is left of each limit, and when it resets', async () => {
    const channel = room();
    const none = { trainings: null, pictures: null, open: null, photos: null, storage: null };
    const limits = async () =>
      (await channel.say('bob', '/krona queue')).text!.filter((line) => !/`|No worker is running/.test(line));
    await setRules(channel, { member: none, channel: none });
    expect(await limits()).toEqual(['This channel has no limits.']);
    await setRules(channel, {
      member: { ...none, pictures: 5, open: 3 },
      channel: { ...none, trainings: 4, pictures: 200 },
    });
    await channel.say('ann', '/krona imagine a cat count:4');
    await channel.say('bob', '/krona imagine a cat count:2');
    expect(await limits()).toEqual([
      'This channel: 0 of 4 trainings in 24 hours.',
      'You: 2 of 5 pictures in an hour.',
      'This channel: 6 of 200 pictures in an hour.',
      'You: 1 of 3 jobs queued or running.',
    ]);
    await channel.say('bob', '/krona imagine a cat count:3');
    expect((await limits())[1]).toMatch(/^You: 5 of 5 pictures in an hour; more in .* \(\d\d:\d\d UTC\)\.$/);
  });

  it('the log shows moderators who did what, newest first', async () => {
    const channel = room();
    const [adapter] = await channel.trained('mochi', 'cat');
    const set = await channel.set(await channel.say('bob', '/krona imagine mochi `in` space count:2'));
    const [picture] = await channel.finishSet(set);
    await channel.press('cid', `vary:${picture!}`);
    await channel.say('cid', '/krona settings steps:300');
    await channel.press('cid', `champion:${adapter!.id}`);
    await channel.press('bob', `delete:${set.id}`);
    await channel.say('mod', '/krona rules words add:bad');
    const { rows } = (await channel.say('mod', '/krona rules log')).table!;
    expect(rows.map((row) => row.slice(1))).toEqual([
      ['mod', 'rules', 'refused: bad'],
      ['bob', 'delete', 'pictures: mochi ˋinˋ space'],
      ['cid', 'champion', expect.stringMatching(/^mochi-500-\w+, pinned$/)],
      ['cid', 'settings', 'steps: 500 → 300'],
      ['cid', 'imagine', 'varied: mochi ˋinˋ space (2 pictures)'],
      ['bob', 'imagine', 'mochi ˋinˋ space (2 pictures)'],
      ['ann', 'train', 'mochi from 1 photo, 500 steps'],
      ['ann', 'photos', '1 photo of mochi sent'],
    ]);
    expect(rows[0]![0]).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d$/);
  });
}
