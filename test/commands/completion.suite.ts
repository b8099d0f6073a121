import { expect, it } from 'vitest';
import { completeOption } from '../../commands/line/complete.ts';
import { SCHEDULERS } from '../../core/settings/choices.ts';
import { photo, Room } from './helpers.ts';
import type { Storage } from '../../storage/open.ts';

/** Suggestions while a member types. */
export function completionSuite(storage: () => Storage): void {
  async function typing() {
    const room = new Room(storage());
    await room.trained('mochi', 'cat');
    await room.say('ann', '/krona photos add Möhre class:vegetable', [await photo(3)]);
    const { channel } = await room.actor('ann');
    return {
      values: (name: string, action: string, option: string, typed: string) =>
        completeOption({ name, action, option, typed }, room.context, channel),
    };
  }

  it('completes values option by option', async () => {
    const { values } = await typing();
    expect(await values('train', '', 'subject', 'Mö')).toEqual(['Möhre']);
    expect(await values('settings', 'draw', 'scheduler', '')).toEqual(['model', ...SCHEDULERS]);
    expect((await values('adapters', 'link', 'adapter', 'moch'))[0]).toMatch(/^mochi-500-/);
    // Of about the area that the model was trained on, in steps of an eighth of its side.
    expect(await values('imagine', '', 'size', '')).toEqual([
      'model',
      '128x128',
      '144x112',
      '112x144',
      '160x112',
      '112x160',
      '176x96',
      '96x176',
    ]);
    expect(await values('help', '', 'command', 'tra')).toEqual(['train']);
    expect(await values('adapters', 'champion', 'pin', '')).toEqual(['yes', 'no']);
    expect(await values('nothing', '', 'x', '')).toEqual([]);
  });
}
