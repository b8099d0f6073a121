import sharp from 'sharp';
import { expect, it } from 'vitest';
import type { PictureSet } from '../../core/records.ts';
import type { Storage } from '../../storage/open.ts';
import { sweepBlobs } from '../../storage/sweep.ts';
import { file, MODEL, photo, Room, scene } from './helpers.ts';

/** Pictures to begin with, and parts of pictures drawn anew. */
export function editingSuite(storage: () => Storage): void {
  const room = (): Room => new Room(storage());
  const begun = async (channel: Room, line: string, ...files: Parameters<Room['say']>[2] & object) =>
    channel.set(await channel.say('ann', line, files));
  const stored = async ({ start }: PictureSet) => sharp(await storage().blobs.get(start!.blobHash!));
  /** The share of the mask that is white. */
  const white = async ({ start }: PictureSet) =>
    (await sharp(await storage().blobs.get(start!.maskHash!)).stats()).channels[0]!.mean / 255;
  const disc = (background: string) =>
    sharp(
      Buffer.from(
        `<svg width="128" height="128"><rect width="128" height="128" fill="${background}"/><circle cx="64" cy="64" r="32" fill="#203080"/></svg>`,
      ),
    ).png();
  const maskFile = async (width: number, height: number, left: number) => {
    const bar = { width: width - left, height, channels: 3, background: '#fff' } as const;
    return file(
      'mask.png',
      await sharp({ create: { width, height, channels: 3, background: '#000' } })
        .composite([{ input: await sharp({ create: bar }).png().toBuffer(), left, top: 0 }])
        .png()
        .toBuffer(),
    );
  };

  it('a set begins with an attached picture, in its shape', async () => {
    await storage().records.saveModelCard(MODEL);
    const channel = room();
    const set = await begun(channel, '/krona imagine a cat change:0.4 count:1', await photo(3));
    expect(set).toMatchObject({ prompt: 'a cat', count: 1, start: { change: 0.4, maskHash: null } });
    expect(set.settings).toMatchObject({ size: '144x112', refine: 0 });
    const { width, height } = await (await stored(set)).metadata();
    expect([width, height]).toEqual([200, 160]);
    const square = await begun(channel, '/krona imagine a cat --ar 1:1', await photo(3));
    expect(square.settings.size).toBe('128x128');
    expect(square.start!.change).toBe(0.8);
  });

  it('is stored as long as its set, counts as a photo, and goes with the photos of its sender', async () => {
    const channel = room();
    const set = await begun(channel, '/krona imagine a cat', await photo(7104));
    const { records, blobs } = storage();
    const { channelId, memberId, start } = set;
    expect(await records.storedBytes({ channelId, reach: 'channel', memberId })).toBe(start!.size);
    await sweepBlobs(records, blobs, 0);
    expect(await blobs.stat(start!.blobHash!)).not.toBeNull();
    const again = await channel.set(await channel.press('ben', `again:${set.id}`));
    expect(again.start).toEqual(start);
    // Ben's own deletion leaves what Ann sent.
    await channel.press('ben', `erase:${again.memberId}`);
    expect((await records.set(again.id))!.start).toEqual(start);
    expect(JSON.stringify(await channel.press('ben', `details:${set.id}`))).toContain(
      'of which 80% can change',
    );
    const used = await records.usage(channelId, 'channel', 'photos', 60_000);
    expect(used.map(({ amount }) => amount)).toEqual([1]);
    await channel.press('ann', `erase:${memberId}`);
    for (const { id } of [set, again])
      expect((await records.set(id))!.start).toMatchObject({ blobHash: null, size: 0 });
    await sweepBlobs(records, blobs, 0);
    expect(await blobs.stat(start!.blobHash!)).toBeNull();
  });

  it.each([
    ['two pictures', 2, /^TOO_MANY_FILES: You sent 2 files; here at most 1 can be used: image/],
    ['no picture', 0, /^PHOTO_NOT_IMAGE/],
  ])('%s are refused', async (_what, count, message) => {
    const files = count === 0 ? [file('a.png', Buffer.from('text'))] : [await photo(1), await photo(2)];
    expect(await room().refusal('ann', '/krona imagine a cat', files)).toMatch(message);
  });

  it.each<[string, number]>([
    ['left', 0.5],
    ['right', 0.5],
    ['top', 0.5],
    ['bottom', 0.5],
    ['middle', 0.36],
  ])('where:%s', async (where, share) => {
    const set = await begun(room(), `/krona edit a cat where:${where}`, await photo(5));
    expect(await white(set)).toBeCloseTo(share, 1);
    expect(set.start!.change).toBe(1);
  });

  it('the subject on a background of one colour, and the background', async () => {
    const picture = file('disc.png', await disc('#f0d020').toBuffer());
    const subject = await white(await begun(room(), '/krona edit a ball where:subject', picture));
    const background = await white(await begun(room(), '/krona edit a beach where:background', picture));
    // A circle of half the side covers 20%; its part reaches a little beyond it.
    expect(subject).toBeGreaterThan(0.2);
    expect(subject).toBeLessThan(0.35);
    expect(background).toBeCloseTo(0.8, 1);
    expect(await room().refusal('ann', '/krona edit a cat where:subject', [await photo(6)])).toMatch(
      /^MASK_MISSING: The background of photo-6.png has more than one colour/,
    );
  });

  it('what is transparent, and a mask', async () => {
    const half = await sharp({ create: { width: 100, height: 100, channels: 4, background: '#f00' } })
      .composite([
        {
          input: await sharp({ create: { width: 25, height: 100, channels: 4, background: '#fff' } })
            .png()
            .toBuffer(),
          left: 0,
          top: 0,
          blend: 'dest-out',
        },
      ])
      .png()
      .toBuffer();
    const set = await begun(room(), '/krona edit a cat', file('hole.png', half));
    expect(await white(set)).toBeCloseTo(0.25, 2);
    const { channels } = await (await stored(set)).stats();
    expect(channels).toHaveLength(3);
    const masked = await begun(room(), '/krona edit a cat', await photo(7), await maskFile(400, 320, 300));
    expect(await white(masked)).toBeCloseTo(0.25, 2);
    const holed = await begun(
      room(),
      '/krona edit a cat',
      file('red.png', await scene(2, 100, 100).png().toBuffer()),
      file('hole.png', half),
    );
    expect(await white(holed)).toBeCloseTo(0.25, 2);
  });

  it('zooming out and widening make the picture larger around it', async () => {
    await storage().records.saveModelCard(MODEL);
    const out = await begun(room(), '/krona edit a beach where:zoom-out', await photo(8));
    expect(await white(out)).toBeCloseTo(1 - 1 / 1.5 ** 2, 2);
    expect(out.settings.size).toBe('144x112');
    const wider = await begun(room(), '/krona edit a beach where:wider', await photo(8));
    expect(await white(wider)).toBeCloseTo(1 / 3, 2);
    expect(wider.settings.size).toBe('176x96');
    const { width, height } = await (await stored(wider)).metadata();
    expect([width, height]).toEqual([300, 160]);
  });

  it('an attached picture is enlarged, as the channel does it or as asked, and goes with the photos of its sender', async () => {
    await storage().records.saveModelCard(MODEL);
    const channel = room();
    const redrawn = await begun(channel, '/krona upscale', await photo(21));
    expect(redrawn).toMatchObject({
      kind: 'upscale',
      count: 1,
      upscaleOf: null,
      prompt: 'a picture',
      settings: { upscale: 'redraw', size: '144x112' },
    });
    await channel.say('ann', '/krona settings draw upscale:x4');
    const see = await sharp(await disc('#f0d020').toBuffer())
      .ensureAlpha(0.5)
      .png()
      .toBuffer();
    const set = await begun(channel, '/krona upscale the moon', file('moon.png', see));
    expect(set).toMatchObject({ prompt: 'the moon', settings: { upscale: 'x4', size: '128x128' } });
    expect((await (await stored(set)).metadata()).hasAlpha).toBe(true);
    await channel.finishSet(set);
    const card = await channel.card({ tone: 'info', title: '', follows: { kind: 'set', id: set.id } });
    expect(card.title).toBe('Upscaled: the moon');
    const shown = [...card.buttons!, ...card.menu!.choices].map(({ label }) => label);
    expect(shown).toEqual(['Details', 'Delete', 'Emoji 1']);
    expect((await channel.press('ben', `details:${set.id}`)).fields).toEqual([
      { name: 'upscaled from', value: 'a picture that was sent, enlarged to four times its size' },
    ]);
    expect((await channel.press('ben', `again:${set.id}`)).fields![0]!.value).toBe('ACTION_UNKNOWN');
    const used = await storage().records.usage(set.channelId, 'channel', 'photos', 60_000);
    expect(used.map(({ amount }) => amount)).toEqual([1, 1]);
    await channel.press('ann', `erase:${set.memberId}`);
    expect(await storage().records.set(set.id)).toBeNull();
  });

  it.each<[string, string, number, RegExp]>([
    ['no picture', '', 0, /^NO_PHOTOS: The command has no picture/],
    ['an unknown way', 'by:x8', 100, /^OPTION_INVALID: `by` must be one of redraw, x2/],
    // Stored smaller, it would lose what it has.
    [
      'a picture that is too large',
      'by:x2',
      2100,
      /^UPSCALE_TOO_LARGE: photo.png is 2100×2100; .* 2048 pixels a side/,
    ],
    [
      'a result that is too large',
      'by:x4',
      1600,
      /^UPSCALE_TOO_LARGE: photo.png is 1600×1600; enlarged 4 times .* 41 meg/,
    ],
  ])('is not enlarged: %s', async (_what, options, side, message) => {
    const blank = { width: side, height: side, channels: 3, background: '#888' } as const;
    const files = side > 0 ? [file('photo.png', await sharp({ create: blank }).png().toBuffer())] : [];
    expect(await room().refusal('ann', `/krona upscale ${options}`, files)).toMatch(message);
  });

  it.each<[string, string, number[] | null, RegExp]>([
    ['no picture', 'where:left', null, /^NO_PHOTOS: The command has no picture/],
    ['a part twice', 'where:left', [200, 160, 100], /^OPTION_TWICE: `where` and `mask`/],
    ['no part', '', [], /^MASK_MISSING: photo-9.png has no transparent part. Say where/],
    ['an empty mask', '', [200, 160, 200], /^MASK_EMPTY: The mask is black everywhere/],
    ['a whole mask', '', [200, 160, 0], /^MASK_WHOLE: The mask covers the whole picture/],
    [
      'a mask of another shape',
      '',
      [160, 160, 80],
      /^MASK_UNFIT: mask.png has 160×160 pixels, a different shape/,
    ],
    ['an unknown part', 'where:inside', [], /^OPTION_INVALID: `where` must be one of left/],
    ['too much change', 'change:2 where:left', [], /^OPTION_INVALID: `change`/],
  ])('is refused with %s', async (_what, options, mask, message) => {
    const [width = 0, height = 0, left = 0] = mask ?? [];
    const files = mask === null ? [] : [await photo(9)];
    if (width > 0) files.push(await maskFile(width, height, Math.min(left, width - 1)));
    if (left === width && width > 0)
      files[1] = file(
        'mask.png',
        await sharp({ create: { width, height, channels: 3, background: '#000' } })
          .png()
          .toBuffer(),
      );
    expect(await room().refusal('ann', `/krona edit a cat ${options}`, files)).toMatch(message);
  });
}
