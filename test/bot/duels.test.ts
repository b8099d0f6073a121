/** Duels that the bot looks after: one with a damaged record delays no other. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { watchDuels } from '../../bot/duels.ts';
import { DEFAULT_SETTINGS } from '../../core/settings/defaults.ts';
import { openServerHouse } from '../helpers/server-house.ts';
import type { TestHouse } from '../helpers/house.ts';
import { newRun, newSubject } from '../helpers/new-records.ts';
import { until } from '../helpers/until.ts';

let house: TestHouse;
beforeAll(async () => {
  house = await openServerHouse();
});
afterAll(() => house?.close());

it('go on beside one with a damaged record, whose error is told once', async () => {
  const { records } = house.storage;
  const channel = await records.channel('web', 'general', 'general');
  const { id: memberId } = await records.member('web', 'ann', 'Ann');
  const addDuel = async (name: string) => {
    const subject = await records.addSubject(newSubject({ channelId: channel.id, ownerId: memberId, name }));
    const { id: runId } = await records.addRun(newRun(subject, { state: 'done' }));
    const ids = [randomUUID(), randomUUID()] as const;
    for (const [step, id] of ids.entries()) {
      const of = { id, runId, subjectId: subject.id, channelId: channel.id, step, final: step === 1 };
      await records.addAdapter({ ...of, blobHash: 'd'.repeat(64), size: 1, settings: DEFAULT_SETTINGS });
    }
    return records.addDuel({
      id: randomUUID(),
      channelId: channel.id,
      subjectId: subject.id,
      memberId,
      firstId: ids[0],
      secondId: ids[1],
      runId: null,
      prompts: [name],
      swapped: [false],
      seed: 1,
      settings: DEFAULT_SETTINGS,
      endsAt: new Date(Date.now() - 1000),
    });
  };
  const broken = await addDuel('broken');
  const whole = await addDuel('whole');
  const errors: object[] = [];
  const log = { info: () => {}, warn: () => {}, error: (fields: object) => void errors.push(fields) };
  const damaged: typeof records.transaction = (work) =>
    records.transaction((within) =>
      work({
        ...within,
        duel: async (id) => {
          if (id === broken.id) throw new TypeError('trials is not iterable');
          return within.duel(id);
        },
      }),
    );
  const stop = watchDuels({ ...records, transaction: damaged }, log);
  await until(async () => (await records.duel(whole.id))?.state === 'undecided', 'the other duel to end');
  await stop();
  expect((await records.duel(broken.id))?.state).toBe('open');
  expect(errors).toHaveLength(1);
});
