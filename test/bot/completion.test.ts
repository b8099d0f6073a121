import { describe, expect, it } from 'vitest';
import { assist } from '../../bot/web/client/completion.ts';
import { describeCommands } from '../../bot/web/options.ts';
import { COMMANDS, parseCommandLine } from '../../commands/index.ts';

const commands = describeCommands(COMMANDS);

/** The help at the end of a text, `|` marking the cursor where it is elsewhere. */
function help(marked: string) {
  const cursor = marked.includes('|') ? marked.indexOf('|') : marked.length;
  return assist(marked.replace('|', ''), cursor, commands);
}
const labels = (marked: string) => help(marked)?.items.map(({ label }) => label);
/** The text after the suggestion with a label was taken. */
function taken(text: string, label: string): string {
  const { from, items } = help(text)!;
  return text.slice(0, from) + items.find((item) => item.label === label)!.insert;
}

describe('help while a command is typed', () => {
  it('is silent about ordinary messages', () => {
    expect(help('hello')).toBeNull();
    expect(help('a/b')).toBeNull();
    expect(help('')).toBeNull();
  });

  it('offers every command after a slash, then those that match', () => {
    const all = commands.map(({ path }) => `/krona ${path}`);
    expect(labels('/')).toEqual(all);
    expect(labels('/kr')).toEqual(all);
    expect(labels('/krona ')).toEqual(all);
    expect(labels('/krona im')).toEqual(['/krona imagine']);
    expect(labels('/im')).toEqual(['/krona imagine']);
    expect(labels('/krona photos ')).toEqual([
      '/krona photos add',
      '/krona photos list',
      '/krona photos remove',
      '/krona photos caption',
    ]);
    expect(labels('/krona zzz')).toEqual([]);
  });

  it("lets Enter accept a suggestion only where the text can't be complete", () => {
    expect(help('/krona im')!.eager).toBe(true);
    expect(help('/krona help')!.eager).toBe(false);
    expect(help('/krona imagine a fox')!.eager).toBe(false);
  });

  it('offers options that are not given yet, except those for free text', () => {
    const options = labels('/krona imagine a fox ')!;
    expect(options).toContain('count:');
    expect(options).not.toContain('prompt:');
    expect(labels('/krona imagine a fox count:2 ')).not.toContain('count:');
    expect(labels('/krona imagine a fox cou')).toEqual(['count:']);
    expect(labels('/krona train ')).toContain('subject:');
    expect(labels('/krona train ')).not.toContain('photos:');
  });

  it("offers an option's choices, and asks the bot when they depend on the channel", () => {
    expect(labels('/krona settings draw scheduler:')).toContain('ddim');
    expect(labels('/krona settings draw scheduler:eu')).toEqual(['euler', 'euler_trailing', 'euler_a']);
    expect(help('/krona train subject:mo')!.ask).toEqual({ path: 'train', option: 'subject', typed: 'mo' });
    expect(help('/krona train subject:mochi| class:cat')!.option!.name).toBe('subject');
  });

  it('writes text that the parser accepts', () => {
    let text = taken('/tr', '/krona train');
    expect(text).toBe('/krona train ');
    text = `${taken(text, 'subject:')}mochi `;
    text = `${taken(text, 'class:')}cat `;
    expect(parseCommandLine(text, 4)).toEqual({
      name: 'train',
      action: '',
      options: { subject: 'mochi', class: 'cat' },
    });
  });
});
