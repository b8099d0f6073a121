import { expect, it } from 'vitest';
import { completeLine, completeOption } from '../../commands/line/complete.ts';
import { SCHEDULERS } from '../../core/settings/settings.ts';
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
      lines: async (text: string) =>
        (await completeLine(text, room.context, channel)).map(({ line }) => line),
      values: (name: string, action: string, option: string, typed: string) =>
        completeOption({ name, action, option, typed }, room.context, channel),
    };
  }

  it('goes on with commands, actions, options and their values, each as a whole line', async () => {
    const { lines } = await typing();
    expect(await lines('/')).toEqual(['/krona ']);
    expect(await lines('/krona ')).toContain('/krona train ');
    expect(await lines('/krona im')).toEqual(['/krona imagine ']);
    expect(await lines('/krona queue ')).toEqual(['/krona queue show ', '/krona queue cancel ']);
    expect(await lines('/krona train ')).toEqual(
      ['subject', 'class', 'caption', 'steps', 'method', 'mask', 'prior', 'crop', 'flip'].map(
        (name) => `/krona train ${name}:`,
      ),
    );
    expect(await lines('/krona train subject:mo')).toEqual(['/krona train subject:mochi ']);
    expect(await lines('/krona train subject:mochi me')).toEqual(['/krona train subject:mochi method:']);
    expect(await lines('/krona train subject:mochi method:k')).toEqual([
      '/krona train subject:mochi method:krona ',
    ]);
    expect(await lines('/krona settings set sch')).toEqual(['/krona settings set scheduler:']);
    expect(await lines('/krona imagine a cat and moc')).toEqual(['/krona imagine a cat and mochi ']);
    expect(await lines('/krona imagine MÖH')).toEqual(['/krona imagine Möhre ']);
    expect(await lines('/krona imagine mochi se')).toEqual(['/krona imagine mochi seed:']);
    for (const text of ['hello', '/krona dance x', '/krona queue show x', '/other'])
      expect(await lines(text)).toEqual([]);
  });

  it('gives values option by option', async () => {
    const { values } = await typing();
    expect(await values('train', '', 'subject', 'Mö')).toEqual(['Möhre']);
    expect(await values('settings', 'set', 'scheduler', '')).toEqual(['model', ...SCHEDULERS]);
    expect((await values('adapters', 'link', 'adapter', 'moch'))[0]).toMatch(/^mochi-200-/);
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
