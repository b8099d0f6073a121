import { describe, expect, it } from 'vitest';
import { payload } from '../../bot/discord/messages.ts';
import { registration } from '../../bot/discord/registration.ts';
import { pages, renderCard } from '../../bot/discord/render.ts';
import { escaped, marked, table } from '../../bot/discord/text.ts';
import type { Card } from '../../commands/card.ts';
import { COMMANDS } from '../../commands/index.ts';
import type { BlobStore } from '../../storage/blobs/contract.ts';
import { commandsProblem, messageProblem, SCHEMAS, schemaProblem } from '../fakes/discord/rules.ts';
import { flat } from '../fakes/discord/platform.ts';

const blobs = {
  stat: async (hash: string) => ({ hash, size: 100 }),
  get: async () => Buffer.alloc(100),
} as unknown as BlobStore;

/** A card as it would be sent, held against Discord's schema and rules. */
async function sent(card: Card) {
  const parts = { blobs, link: (_hash: string, name: string) => `http://x/${name}`, limit: 10 * 1024 ** 2 };
  const { body, files } = await payload(await renderCard(card, parts));
  expect(schemaProblem(SCHEMAS.createMessage, body)).toBe('');
  expect(
    messageProblem(
      body,
      files.map(({ name }) => name),
    ),
  ).toBe('');
  const components = flat(body.components as unknown[]);
  const text = components.filter(({ type }) => type === 10).map(({ content }) => String(content));
  return { components, text: text.join('\n'), files };
}

const picture = (n: number) => ({ id: String(n), blobHash: String(n).padStart(64, '0'), alt: `photo ${n}` });

describe('cards as Discord’s components', () => {
  it('escape members’ text and keep our own markup', () => {
    expect(escaped('*a* _b_ ~c~ `d` ||e|| [f](https://g) <@1> @here')).toBe(
      '\\*a\\* \\_b\\_ \\~c\\~ \\`d\\` \\|\\|e\\|\\| \\[f\\](https\\://g) \\<\\@1\\> \\@here',
    );
    expect(escaped('# a\n- b\n1. c\nd - e #f')).toBe('\\# a\n\\- b\n1\\. c\nd - e #f');
    expect(marked('type `/krona top_x` for **the _best_**, or *all*')).toBe(
      'type `/krona top_x` for **the \\_best\\_**, or \\*all\\*',
    );
  });

  it('can have a file of up to 24 MiB where the server allows it, and half of that with pictures', async () => {
    const mib = 1024 ** 2;
    const large = { stat: async (hash: string) => ({ hash, size: 20 * mib }) } as unknown as BlobStore;
    const files = [{ name: 'mochi.safetensors', blobHash: 'f'.repeat(64), size: 20 * mib }];
    const attached = async (limit: number, more: Partial<Card> = {}) => {
      const parts = { blobs: large, link: () => 'http://x/', limit };
      const made = await renderCard({ tone: 'success', title: 'x', files, ...more }, parts);
      return made.files.map(({ name }) => name).includes('mochi.safetensors');
    };
    expect(await attached(50 * mib)).toBe(true);
    expect(await attached(10 * mib)).toBe(false);
    expect(await attached(50 * mib, { pictures: [picture(1)] })).toBe(false);
  });

  it('stay within 4000 characters and 40 components for any card', async () => {
    const long = '_'.repeat(3000);
    const { text, components } = await sent({
      tone: 'error',
      title: long,
      text: [long, long],
      fields: [{ name: 'prompt', value: long }],
      table: { columns: ['a', 'b'], rows: Array.from({ length: 200 }, () => ['x'.repeat(20), 'y']) },
      buttons: Array.from({ length: 30 }, (_, n) => ({ action: `vary:${n}`, label: 'l'.repeat(200) })),
      menu: {
        label: 'm'.repeat(300),
        choices: Array.from({ length: 40 }, (_, n) => ({ action: `emoji:${n}`, label: `${n}`.repeat(200) })),
      },
    });
    expect(text.length).toBeLessThanOrEqual(4000);
    expect(text).toMatch(/…$/);
    expect(components.length).toBeLessThanOrEqual(40);
  });

  it('put seven buttons in rows of four and three', async () => {
    const buttons = Array.from({ length: 7 }, (_, n) => ({ action: `vary:${n}`, label: String(n) }));
    const { components } = await sent({ tone: 'info', title: 'x', buttons });
    const rows = components.filter(({ type }) => type === 1);
    expect(rows.map(({ components: each }) => (each as unknown[]).length)).toEqual([4, 3]);
    expect(JSON.stringify(rows)).toContain('"k1:vary:0"');
  });

  it('align a narrow table, and list the rows of a wide one', () => {
    const narrow = table(
      {
        columns: ['', 'wins'],
        rows: [
          ['猫', '9 %'],
          ['dog', '100 %'],
        ],
      },
      1000,
    );
    expect(narrow).toBe('```\n     wins\n───  ─────\n猫   9 %\ndog  100 %\n```');
    const wide = table(
      {
        columns: ['command', 'what', 'example'],
        rows: [['/krona top', 'w'.repeat(60), '/krona top what:`x`']],
      },
      1000,
    );
    expect(wide).toBe(`**/krona top**  ${'w'.repeat(60)}\n-# example: \`/krona top what:ˋxˋ\``);
    const cut = table({ columns: ['n'], rows: Array.from({ length: 50 }, (_, n) => [String(n)]) }, 120);
    expect(cut.length).toBeLessThanOrEqual(120);
    expect(cut).toMatch(/and \d+ more$/);
  });

  it('show a subject’s twenty photos in two messages', async () => {
    const all = pages({
      tone: 'info',
      title: 'Photos',
      pictures: Array.from({ length: 20 }, (_, n) => picture(n)),
      audience: 'caller',
    });
    expect(all.map(({ pictures }) => pictures!.length)).toEqual([10, 10]);
    expect(all[1]).toMatchObject({ title: 'Photos (11 to 20)', audience: 'caller' });
    for (const card of all) expect((await sent(card)).files).toHaveLength(10);
  });

  it("show commands as Discord spells them, with every option's name", async () => {
    const { text } = await sent({
      tone: 'info',
      title: 'Help',
      text: ['Type `/krona imagine a watercolour of mochi count:2`, not `/krona rules set safety:`.'],
      table: {
        columns: ['command', 'what it does', 'for example'],
        rows: [['/krona delete', 'Delete '.repeat(9), '/krona delete mochi']],
      },
    });
    expect(text).toContain('`/krona imagine prompt:a watercolour of mochi count:2`');
    expect(text).toContain('`/krona rules set safety:`');
    expect(text).toContain('`/krona delete subject:mochi`');
  });

  it('hide only sensitive pictures behind a spoiler', async () => {
    const { components } = await sent({
      tone: 'success',
      title: 'x',
      pictures: [picture(1), { ...picture(2), sensitive: true }],
    });
    const [gallery] = components.filter(({ type }) => type === 12);
    const items = gallery!['items'] as { spoiler?: boolean; description: string }[];
    expect(items.map(({ description, spoiler }) => [description, spoiler])).toEqual([
      ['photo 1', undefined],
      ['photo 2', true],
    ]);
  });

  it('show progress, a curve that needs no fonts, and two pictures with the same bytes', async () => {
    const { text, files } = await sent({
      tone: 'progress',
      title: 'Learning',
      progress: { fraction: 0.5, label: '50 %' },
      charts: [{ label: 'loss', points: Array.from({ length: 40 }, (_, x) => ({ x, y: 1 / (x + 1) })) }],
      pictures: [picture(1), picture(1)],
    });
    expect(text).toContain(`${'▰'.repeat(10)}${'▱'.repeat(10)}\n50 %`);
    expect(text).toMatch(/loss\\?: 0\.\d+ at 0 → 0\.0\d+ at 39/);
    expect(new Set(files.map(({ name }) => name)).size).toBe(3);
    expect((files[0]!.data as Buffer).subarray(1, 4).toString()).toBe('PNG');
  });
});

describe('the commands as Discord registers them', () => {
  it('are complete, within Discord’s limits', () => {
    const commands = registration() as unknown as Record<string, unknown>[];
    expect(commandsProblem(commands)).toBe('');
    const root = commands[0]!['options'] as { name: string; options: { name: string; type: number }[] }[];
    expect(root.map(({ name }) => name)).toEqual(COMMANDS.map(({ data }) => data.name));
    const train = root.find(({ name }) => name === 'train')!;
    expect(train.options.filter(({ type }) => type === 11)).toHaveLength(10);
  });
});
