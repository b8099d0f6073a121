import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { loadCard } from '../../commands/cards/load-card.ts';
import { recordReaction } from '../../commands/votes/react.ts';
import { newSet } from '../helpers/new-records.ts';
import { Room } from './helpers.ts';
import type { Storage } from '../../storage/open.ts';

/** Reactions, rankings and champions, as members see them. */
export function votingSuite(storage: () => Storage): void {
  const room = (): Room => new Room(storage());

  /** A trained subject with the run's result grid, one picture of each checkpoint. */
  async function withFinals(channel: Room) {
    const adapters = await channel.trained('mochi', 'cat', [50, 100, 150, 200]);
    const run = (await storage().records.run(adapters[0]!.runId))!;
    const { id: runId, channelId, memberId, subjectId, settings } = run;
    const of = { channelId, memberId, runId, subjectId, settings };
    const set = await storage().records.addSet(
      newSet({ ...of, kind: 'finals', prompt: 'mochi', count: 4, state: 'running' }),
    );
    const pictures = await channel.finishSet(
      set,
      adapters.map(({ id }) => id),
    );
    return { adapters, run, set, pictures };
  }

  it("members vote under the result grid's own message, and the run’s message has no pictures", async () => {
    const channel = room();
    const { run, set, pictures } = await withFinals(channel);
    const { revision } = (await storage().records.set(set.id))!;
    const before = (await storage().records.run(run.id))!.revision;
    await channel.react('bob', set, pictures[1]!, '❤️');
    expect((await storage().records.set(set.id))!.revision).toBeGreaterThan(revision);
    expect((await storage().records.run(run.id))!.revision).toBe(before);
    const own = await channel.card({ tone: 'info', title: '', follows: { kind: 'run', id: run.id } });
    expect(own.votesOn).toBeUndefined();
    expect(own.pictures).toBeUndefined();
    expect(own.text!.join()).toContain('Vote for the best');
    const card = await channel.card({ tone: 'info', title: '', follows: { kind: 'set', id: set.id } });
    expect(card.title).toBe('Which mochi is the best?');
    expect(card.votesOn).toBe(set.id);
    expect(card.fields!.map(({ name }) => name)).toEqual(['requested by']);
    // Which checkpoint drew which picture is not told.
    expect(card.pictures!.map(({ caption }) => caption)).toEqual(['1', '2 · ❤️ 1', '3', '4']);
  });

  it('samples have no votes, whoever names one', async () => {
    const channel = room();
    const { adapters, run } = await withFinals(channel);
    const { id: runId, channelId, memberId, subjectId, settings } = run;
    const of = {
      channelId,
      memberId,
      runId,
      subjectId,
      settings,
      kind: 'samples',
      state: 'running',
    } as const;
    const samples = await storage().records.addSet(newSet({ ...of, prompt: 'a mochi', count: 2 }));
    const [sample] = await channel.finishSet(samples, [adapters[0]!.id, adapters[0]!.id]);
    expect((await channel.react('bob', samples, sample!, '❤️')).recorded).toBe(false);
    expect(await storage().records.voteFacts(samples.id)).toEqual([]);
  });

  it('adapters of another model, which a training replaced, win no votes back', async () => {
    const channel = room();
    const { set, pictures } = await withFinals(channel);
    const [now] = await channel.trained('mochi', 'cat', [200]);
    const change = {
      id: randomUUID(),
      subjectId: set.subjectId!,
      adapterId: now!.id,
      cause: 'training',
    } as const;
    await storage().records.changeChampion({ ...change, reason: 'of another model' }, false);
    for (const name of ['bob', 'cid', 'dee', 'eve', 'fay', 'gus', 'hal', 'ida'])
      expect((await channel.react(name, set, pictures[1]!, '👍')).change).toBeNull();
    expect((await storage().records.subject(set.subjectId!))!.championId).toBe(now!.id);
  });

  it('three members change the champion, which the next prompt uses', async () => {
    const channel = room();
    const { adapters, set, pictures } = await withFinals(channel);
    expect((await storage().records.subject(set.subjectId!))!.championId).toBe(adapters[3]!.id);
    // Who asked for the run may vote as often as he likes.
    for (const [name, picture, emoji] of [
      ['ann', pictures[1]!, '👍'],
      ['bob', pictures[1]!, '👍'],
      ['cid', null, '2️⃣'],
    ] as const)
      expect((await channel.react(name, set, picture, emoji)).change).toBeNull();
    const { change } = await channel.react('dee', set, pictures[1]!, '🔥');
    expect(change).toMatchObject({ cause: 'votes', adapterId: adapters[1]!.id, pictureId: pictures[1] });
    expect(await storage().records.postOf(change!.id)).toMatchObject({ kind: 'champion', messageId: null });
    const announcement = await loadCard('champion', change!.id, storage());
    expect(announcement).toMatchObject({ tone: 'success', pictures: [{ id: pictures[1] }] });
    expect(announcement.title).toMatch(/^mochi-100-[0-9a-f]{6} is the new champion of mochi$/);
    expect(announcement.text![0]).toContain('3 members voted');
    expect(await storage().records.subject(set.subjectId!)).toMatchObject({
      championId: adapters[1]!.id,
      championPinned: false,
    });
    const next = await channel.set(await channel.say('eve', '/krona imagine mochi'));
    expect(next.adapterId).toBe(adapters[1]!.id);
  });

  it('a pinned champion stays, regardless of votes', async () => {
    const channel = room();
    const { adapters, set, pictures } = await withFinals(channel);
    await channel.press('ann', `champion:${adapters[3]!.id}`);
    for (const name of ['bob', 'cid', 'dee', 'eve'])
      expect((await channel.react(name, set, pictures[0]!, '👍')).change).toBeNull();
    expect((await storage().records.subject(set.subjectId!))!.championId).toBe(adapters[3]!.id);
  });

  it('earlier champions can be restored one by one, and then stay', async () => {
    const channel = room();
    const { adapters, set, pictures } = await withFinals(channel);
    const champion = async () => (await storage().records.subject(set.subjectId!))!;
    expect(await channel.refusal('ann', '/krona adapters rollback mochi')).toMatch(/^NO_CHAMPION_BEFORE/);
    for (const name of ['bob', 'cid', 'dee']) await channel.react(name, set, pictures[1]!, '👍');
    await channel.press('ann', `champion:${adapters[0]!.id}`);
    expect((await champion()).championId).toBe(adapters[0]!.id);

    const card = await channel.say('bob', '/krona adapters rollback mochi');
    expect(card.title).toMatch(/^mochi-100-/);
    expect(await champion()).toMatchObject({ championId: adapters[1]!.id, championPinned: true });
    await channel.say('bob', '/krona adapters rollback subject:mochi');
    expect(await champion()).toMatchObject({ championId: adapters[3]!.id, championPinned: true });
    expect(await channel.refusal('bob', '/krona adapters rollback mochi')).toMatch(/^NO_CHAMPION_BEFORE/);

    const changes = await storage().records.championChanges(set.subjectId!);
    expect(changes.map(({ cause }) => cause)).toEqual([
      'training',
      'votes',
      'member',
      'rollback',
      'rollback',
    ]);
    expect(changes[1]).toMatchObject({ memberId: null, pictureId: pictures[1] });
  });

  it('reactions given twice count once, and can be removed', async () => {
    const channel = room();
    const { set, pictures } = await withFinals(channel);
    expect((await channel.react('bob', set, pictures[0]!, '👍')).recorded).toBe(true);
    expect((await channel.react('bob', set, pictures[0]!, '👍')).recorded).toBe(false);
    expect((await channel.react('bob', set, pictures[0]!, '👍', false)).recorded).toBe(true);
    expect((await storage().records.voteFacts(set.id)).map(({ added }) => added)).toEqual([true, false]);
    expect(await channel.say('ann', '/krona top')).toMatchObject({ audience: 'caller' });
    // A heart under four pictures, a fifth number, and a picture of another set are about none of these.
    for (const [picture, emoji] of [
      [null, '❤️'],
      [randomUUID(), '👍'],
    ] as const)
      expect((await channel.react('bob', set, picture, emoji)).recorded).toBe(false);
  });

  it('a heart under a set that is still drawn is not for its first picture', async () => {
    const { records } = storage();
    const { channel, member } = await room().actor('ann');
    const of = { channelId: channel.id, memberId: member.id };
    const set = await records.addSet(newSet({ ...of, count: 2, state: 'running' }));
    const picture = { setId: set.id, index: 0, width: 64, height: 64, seed: 1, adapterId: null };
    const { hash: blobHash } = await storage().blobs.put(Buffer.from('a picture'));
    await records.addPicture({ ...picture, id: randomUUID(), blobHash });
    const reaction = { setId: set.id, pictureId: null, memberId: member.id, emoji: '❤️', added: true };
    const heart = async () => (await recordReaction(reaction, storage())).recorded;
    expect(await heart()).toBe(false);
    // Cancelled after one picture.
    await records.updateSet(set.id, { state: 'cancelled', endedAt: new Date() });
    expect(await heart()).toBe(true);
  });

  it('top shows pictures, adapters and settings with their certainty', async () => {
    const channel = room();
    const { adapters, set, pictures } = await withFinals(channel);
    for (const name of ['bob', 'cid', 'dee']) await channel.react(name, set, pictures[2]!, '👍');
    await channel.react('eve', set, pictures[0]!, '👎');
    await channel.react('ann', set, pictures[0]!, '👍');
    const best = await channel.say('fay', '/krona top');
    expect(best.table!.rows[0]).toEqual(['1', 'mochi (3)', 'ann', '44% to 100%', '3']);
    expect(best.table!.rows).toHaveLength(2);
    expect(best.pictures![0]!.id).toBe(pictures[2]);

    const ranked = await channel.say('fay', '/krona top adapters');
    expect(ranked.table!.rows).toHaveLength(4);
    expect(ranked.table!.rows[0]![1]).toMatch(new RegExp(`^mochi-150-${adapters[2]!.id.slice(0, 6)}`));
    // In the channel the names would stay after their adapters are deleted.
    expect(ranked.audience).toBe('caller');
    expect(ranked.table!.rows[0]![3]).toMatch(/^\d+% to \d+%$/);
    expect(ranked.table!.rows.at(-1)![1]).toMatch(/^mochi-50-/);
    expect(await channel.say('fay', '/krona top settings')).toMatchObject({
      audience: 'caller',
      title: 'Best settings',
    });
  });

  it('top updates without deleted entries, and without new pictures', async () => {
    const channel = room();
    const { set, pictures } = await withFinals(channel);
    await channel.react('bob', set, pictures[2]!, '👍');
    await channel.react('eve', set, pictures[0]!, '👎');
    const best = await channel.say('fay', '/krona top');
    expect(best.table!.rows).toHaveLength(2);
    await channel.react('cid', set, pictures[1]!, '👍');
    const { id: eve } = (await channel.actor('eve')).member;
    await storage().records.eraseMember(eve);
    expect((await channel.card(best)).table!.rows.map(([, picture]) => picture)).toEqual(['mochi (3)']);
    expect((await channel.say('fay', '/krona top')).table!.rows).toHaveLength(2);
    await storage().records.deleteSet(set.id, 'By Ann.');
    expect(await channel.card(best)).toEqual({ tone: 'info', title: 'This ranking is empty' });
  });
}
