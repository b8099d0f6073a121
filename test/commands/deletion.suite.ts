import { expect, it } from 'vitest';
import { photo, Room } from './helpers.ts';
import type { Storage } from '../../storage/open.ts';

/** Subjects, and what is kept about a member: asked about, then gone. */
export function deletionSuite(storage: () => Storage): void {
  const room = (): Room => new Room(storage());

  it('a subject is deleted with everything, after a button, by its creator or a moderator', async () => {
    const channel = room();
    const { records, jobs } = storage();
    await channel.trained('mochi', 'cat', [100, 200]);
    await channel.say('bob', '/krona photos add mochi', [await photo(2)]);
    const set = await channel.set(await channel.say('bob', '/krona imagine mochi'));
    const other = await channel.set(await channel.say('bob', '/krona imagine a dog'));
    const open = await channel.run(await channel.say('ann', '/krona train mochi'));
    const subject = (await records.subject(set.subjectId!))!;

    expect(await channel.refusal('bob', '/krona delete mochi')).toMatch(
      /^NOT_ALLOWED: Only the owner of mochi or a moderator can delete mochi/,
    );
    expect((await channel.press('bob', `forget:${subject.id}`)).fields![0]!.value).toBe('NOT_ALLOWED');
    const asked = await channel.say('ann', '/krona delete mochi');
    expect(asked).toMatchObject({ tone: 'warning', audience: 'caller' });
    expect(asked.text![0]).toContain('2 photos and 2 adapters');
    expect(await records.subject(subject.id)).not.toBeNull();

    const done = await channel.press('ann', asked.buttons![0]!.action);
    expect(done).toMatchObject({ title: 'mochi is deleted' });
    expect(await records.subject(subject.id)).toBeNull();
    expect(await records.adapters(subject.channelId)).toEqual([]);
    expect(await records.set(set.id)).toBeNull();
    expect(await records.set(other.id)).toMatchObject({ state: 'queued' });
    expect(await jobs.state('train', open.id)).toBe('cancelled');
    expect(await records.postOf(open.id)).toMatchObject({ gone: 'Together with mochi, by its owner.' });
    expect((await channel.press('ann', asked.buttons![0]!.action)).fields![0]!.value).toBe('GONE');
    // Its name is free again.
    expect((await channel.say('bob', '/krona train mochi class:dog', [await photo(3)])).tone).toBe(
      'progress',
    );
  });

  it('members see and export their data, and delete their photos and votes', async () => {
    const channel = room();
    const { records, blobs } = storage();
    await channel.trained('mochi', 'cat');
    await channel.say('bob', '/krona photos add mochi', [await photo(2), await photo(3)]);
    const set = await channel.set(await channel.say('ann', '/krona imagine mochi count:1'));
    const [picture] = await channel.finishSet(set);
    await channel.react('bob', set, picture!, '👍');

    const shown = await channel.say('bob', '/krona privacy');
    expect(shown.audience).toBe('caller');
    expect(shown.table!.rows).toContainEqual(['photos you added', '2']);
    const { files } = await channel.say('bob', '/krona privacy export');
    const data = JSON.parse(Buffer.from(await blobs.get(files![0]!.blobHash)).toString()) as {
      member: { name: string };
      photos: { fileName: string }[];
      votes: { emoji: string }[];
    };
    expect(data.member.name).toBe('bob');
    expect(data.photos.map(({ fileName }) => fileName)).toEqual(['photo-2.png', 'photo-3.png']);
    expect(data.votes.map(({ emoji }) => emoji)).toEqual(['👍']);
    // Each is a file that no quota counts.
    for (let exported = 1; exported < 5; exported++) await channel.say('bob', '/krona privacy export');
    expect(await channel.refusal('bob', '/krona privacy export')).toMatch(/^EXPORT_QUOTA: You exported/);
    expect((await channel.say('ann', '/krona privacy export')).files).toHaveLength(1);

    const asked = await channel.say('bob', '/krona privacy delete');
    expect(asked.text![0]).toContain('2 photos and 1 reaction');
    const { action } = asked.buttons![0]!;
    expect((await channel.press('ann', action)).fields![0]!.value).toBe('NOT_ALLOWED');
    expect((await channel.press('bob', action)).title).toBe('Your photos and votes are deleted');
    expect((await records.photos(set.subjectId!)).length).toBe(1);
    expect(await records.voteFacts(set.id)).toEqual([]);
    expect((await channel.say('bob', '/krona privacy')).table!.rows).toContainEqual([
      'photos you added',
      '0',
    ]);
  });
}
