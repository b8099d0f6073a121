/** Cards as Block Kit: what a reader sees, and what Slack's rules say of it. */
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { cardBlocks, cardFallback, type CardFiles } from '../../bot/slack/blocks.ts';
import { drawCharts } from '../../bot/chart.ts';
import { SlackFiles } from '../../bot/slack/slack-files.ts';
import { mrkdwn, tableTexts } from '../../bot/slack/text.ts';
import type { Card } from '../../commands/card.ts';
import { checkBlocks } from '../fakes/slack/block-rules.ts';
import { textOf } from '../fakes/slack/fake-slack.ts';
import { type Json, Workspace } from '../fakes/slack/workspace.ts';

const files: CardFiles = {
  pictures: new Map(),
  chart: null,
  preview: null,
  link: (hash, name) => `https://krona.example.org/blobs/${hash}/${name}?expires=1&signature=x`,
};
const blocksOf = (card: Partial<Card>): Json[] =>
  cardBlocks({ tone: 'info', title: 'A title', ...card }, files);
const errors = (blocks: readonly Json[]) => checkBlocks(new Workspace(), blocks).errors;

describe('text for Slack', () => {
  it.each([
    ['a **bold** word and `/krona help`', 'a *bold* word and `/krona help`'],
    ['<!channel> & <@U1> > all', '&lt;!channel&gt; &amp; &lt;@U1&gt; &gt; all'],
    [
      '*not bold*, ~not struck~, _not slanted_, red_robot',
      '∗not bold∗, ∼not struck∼, ＿not slanted＿, red_robot',
    ],
    ['> no quote', '\u2060&gt; no quote'],
    ['`a <b> & *c*`', '`a &lt;b&gt; &amp; *c*`'],
    ['** and ` alone', '∗∗ and ˋ alone'],
  ])('%s', (text, shown) => {
    expect(mrkdwn(text)).toBe(shown);
  });

  it('aligns narrow tables, counting wide characters and emoji, and lists wide ones', () => {
    const [narrow] = tableTexts({
      columns: ['name', 'votes'],
      rows: [
        ['猫', '1'],
        ['mochi & <b>', '12'],
      ],
    });
    expect(narrow).toBe('```\nname         votes\n猫           1\nmochi &amp; &lt;b&gt;  12\n```');
    const [wide] = tableTexts({ columns: ['a', 'b'], rows: [['/krona x', `${'long '.repeat(20)}`]] });
    expect(wide).toMatch(/^\*\/krona x\* · long long/);
    const rows = Array.from({ length: 300 }, (_, n) => [`row ${n}`, 'x'.repeat(40)]);
    const texts = tableTexts({ columns: ['a', 'b'], rows });
    expect(
      texts.every((text) => text.length <= 3000 && text.startsWith('```\n') && text.endsWith('\n```')),
    ).toBe(true);
    expect(texts.join('')).toContain('row 299');
  });
});

describe('a card for Slack', () => {
  it('keeps every limit for any text, and still ends with its buttons', () => {
    const long = '𝓁🐈‍⬛&<!here>'.repeat(1_000);
    const blocks = blocksOf({
      title: long,
      text: Array.from({ length: 40 }, () => long),
      fields: Array.from({ length: 33 }, () => ({ name: long, value: long })),
      table: { columns: ['a'], rows: [[long], ['']] },
      progress: { fraction: 2, label: long },
      pictures: Array.from({ length: 20 }, (_, n) => ({ id: `${n}`, blobHash: `${n}`, alt: '' })),
      files: [{ name: 'a|b>.safetensors', blobHash: 'f'.repeat(64), size: 5_000_000 }],
      buttons: Array.from({ length: 30 }, (_, n) => ({ action: `vary:${n}`, label: long })),
      menu: {
        label: long,
        choices: Array.from({ length: 200 }, (_, n) => ({ action: `emoji:${n}`, label: long })),
      },
    });
    expect(errors(blocks)).toEqual([]);
    expect(blocks).toHaveLength(50);
    expect(blocks.at(-1)!['type']).toBe('actions');
    expect(textOf(blocks)).toMatch(/… and \d+ more that don't fit here/);
    expect(cardFallback({ tone: 'info', title: long }).includes('<')).toBe(false);
  });

  it('has text and a button instead of a sensitive picture', () => {
    const shown = { ...files, pictures: new Map([['here', 'F1']]) };
    const pictures = [
      { id: 'a', blobHash: 'here', alt: 'a fox', caption: '1' },
      { id: 'b', blobHash: 'here', alt: 'a fox', caption: '2 · 👍 1', sensitive: true },
    ];
    const blocks: Json[] = cardBlocks({ tone: 'info', title: 'x', pictures }, shown);
    expect(blocks.map(({ type }) => type as string)).toEqual(['header', 'image', 'section']);
    expect(blocks[2]).toMatchObject({
      text: { text: expect.stringMatching(/Hidden.*\n2 · 👍 1/s) as string },
      accessory: { type: 'button', action_id: 'reveal:b' },
    });
    expect(errors(blocks.slice(2))).toEqual([]);
  });

  it('gives pictures alternative text, and names the deleted ones', () => {
    const pictures = [
      { id: 'a', blobHash: 'here', alt: 'a **fox**', caption: '1 · 👍 2' },
      { id: 'b', blobHash: 'gone', alt: 'an owl', caption: '2' },
    ];
    const card: Card = { tone: 'success', title: 'x', pictures };
    const blocks = cardBlocks(card, { ...files, pictures: new Map([['here', 'F1']]) }) as unknown as Json[];
    expect(blocks[1]).toMatchObject({
      type: 'image',
      slack_file: { id: 'F1' },
      alt_text: 'a fox',
      title: { text: '1 · 👍 2' },
    });
    expect(textOf(blocks.slice(2))).toContain('this picture was deleted');
  });

  it('links files, with escaped names', () => {
    const text = textOf(
      blocksOf({ files: [{ name: 'mochi.safetensors', blobHash: 'abc', size: 1_300_000 }] }),
    );
    expect(text).toContain(
      '<https://krona.example.org/blobs/abc/mochi.safetensors?expires=1&amp;signature=x|mochi.safetensors> (1.2 MiB)',
    );
  });

  it('shows unknown progress without a bar', () => {
    expect(textOf(blocksOf({ progress: { fraction: null, label: '2nd in the queue' } }))).toBe(
      'A title\n2nd in the queue',
    );
  });

  it.each([
    [
      [
        { x: 1, y: 2 },
        { x: 2, y: 1 },
      ],
    ],
    [
      [
        { x: 5, y: 0 },
        { x: 5, y: 0 },
      ],
    ],
    [
      [
        { x: 0, y: -3 },
        { x: 9, y: NaN },
      ],
    ],
  ])('draws a curve of %j', async (points) => {
    const { width, height, format } = await sharp(
      await drawCharts([{ label: 'loss', points }], { ground: '#fff', grid: '#eee', line: '#74b' }),
    ).metadata();
    expect({ width, height, format }).toEqual({ width: 720, height: 200, format: 'png' });
  });
});

describe('files at Slack', () => {
  it('stay as long as a message in a channel shows them, also one of an earlier process, when what one member was shown is gone', async () => {
    const deleted: string[] = [];
    const uploads = new Map([['old', 'F-old']]);
    const uploading = {
      known: async (source: string) => uploads.get(source) ?? null,
      state: async () => 'ready' as const,
      upload: async (_bytes: Uint8Array, { source }: { source: string }) => `F-${source}`,
      ready: async () => undefined,
    };
    const deletion = { delete: async (id: string) => void deleted.push(id) };
    const dot = sharp({ create: { width: 1, height: 1, channels: 3, background: '#fff' } });
    const png = await dot.png().toBuffer();
    const files = new SlackFiles(uploading as never, deletion as never, { get: async () => png } as never);
    const blobs = ['old', 'shown', 'alone'];
    await files.idsOf(blobs.map((hash) => files.ofBlob(hash, 'a dot')));
    await files.shows('C1 1.0', ['shown']);
    await files.whispers('gallery', blobs);
    await files.whispers('gallery', []);
    expect(deleted).toEqual(['F-alone']);
  });
});
