import { describe, expect, it } from 'vitest';
import { checkClassName, checkSubjectName, tokenFor } from '../../commands/subjects/subjects.ts';
import { resolvePrompt, trainingPrompt, type PromptSubject } from '../../core/prompt.ts';

function subject(name: string, className: string, championId: string | null = `of ${name}`): PromptSubject {
  return { id: `id of ${name}`, name, className, token: `${name.length}zqkv`, championId };
}

const mochi = subject('mochi', 'cat');
const rex = subject('rex', 'dog');
const M = `${mochi.token} cat`;

const textOf = (prompt: string, subjects = [mochi, rex], chosen?: readonly string[]): string =>
  resolvePrompt(prompt, subjects, chosen).text;

describe('a prompt that names a subject', () => {
  it('becomes token and class, as in training', () => {
    expect(trainingPrompt(mochi)).toBe(`a ${M}`);
    expect(textOf('a watercolour of mochi')).toBe(`a watercolour of ${M}`);
    expect(resolvePrompt('a watercolour of mochi', [mochi, rex]).subjects).toEqual([mochi]);
  });

  it.each([
    ['MOCHI in space', `${M} in space`],
    ["mochi's hat", `${M}'s hat`],
    ['mochi, mochi and (mochi)!', `${M}, ${M} and (${M})!`],
    ['mochi-style', `${M}-style`],
    ['mochis', 'mochis'],
    ['smochi', 'smochi'],
    ['mochi_2', 'mochi_2'],
    ['mochi2', 'mochi2'],
    ['mochíto', 'mochíto'],
    ['moch', 'moch'],
    ['🐈mochi🔥', `🐈${M}🔥`],
    ['mochiの絵', `${M}の絵`],
    ['', ''],
  ])('finds whole words only: %s', (prompt, expected) => {
    expect(textOf(prompt)).toBe(expected);
  });

  it.each([
    ['Möhre', 'die MÖHRE lacht', 'die % lacht'],
    ['Möhre', 'Mo\u0308hre', '%'],
    ['Möhre', 'Möhren', 'Möhren'],
    ['Мурка', 'рыжая мурка спит', 'рыжая % спит'],
    ['Мурка', 'муркатень', 'муркатень'],
    ['小明', '一只小明的猫', '一只%的猫'],
    ['モチ', 'モチの絵', '%の絵'],
    ['モチ', 'カモチ', 'カモチ'],
    ['قطة', 'صورة قطة جميلة', 'صورة % جميلة'],
    ['किटी', 'एक किटी घर', 'एक % घर'],
    ['โมจิ', 'รูปโมจิสีส้ม', 'รูป%สีส้ม'],
    ['x-1', 'an x-1 (x-11)', 'an % (x-11)'],
  ])('in any script: %s in “%s”', (name, prompt, expected) => {
    const it = subject(name, 'thing');
    expect(textOf(prompt, [it])).toBe(expected.replace('%', `${it.token} thing`));
  });

  it('takes the longer of two names, in any order', () => {
    const second = subject('mochi-2', 'fox');
    expect(resolvePrompt('mochi-2 jumps', [mochi, second]).subjects).toEqual([second]);
    expect(resolvePrompt('mochi jumps', [second, mochi]).subjects).toEqual([mochi]);
  });

  it('with two subjects draws both; one without a champion is drawn as any of its class', () => {
    expect(resolvePrompt('rex chases mochi', [mochi, rex])).toEqual({
      text: `${rex.token} dog chases ${M}`,
      subjects: [rex, mochi],
      others: [],
    });
    const untrained = subject('rex', 'dog', null);
    expect(resolvePrompt('rex chases mochi', [mochi, untrained])).toEqual({
      text: `dog chases ${M}`,
      subjects: [mochi],
      others: [untrained],
    });
    expect(resolvePrompt('rex', [mochi, untrained]).subjects).toEqual([untrained]);
    const crowd = ['one', 'two', 'three', 'four'].map((name) => subject(name, 'owl'));
    const { text, others } = resolvePrompt('four and three and two and one', crowd);
    expect(others).toEqual([crowd[0]]);
    expect(text).toMatch(/owl and \w+ owl and \w+ owl and owl$/);
  });

  it('can be given the subject to draw', () => {
    expect(textOf('a cat in a hat', [mochi, rex], [mochi.id])).toBe(`a ${M} in a hat`);
    expect(textOf('on the moon', [mochi, rex], [mochi.id])).toBe(`a ${M}, on the moon`);
    expect(textOf('mochi on the moon', [mochi, rex], [])).toBe('mochi on the moon');
  });

  it('stays unchanged when it names none', () => {
    expect(resolvePrompt('🐈🐈🐈', [mochi])).toEqual({ text: '🐈🐈🐈', subjects: [], others: [] });
    expect(resolvePrompt('a cat', [])).toEqual({ text: 'a cat', subjects: [], others: [] });
  });
});

describe('names', () => {
  it.each(['mochi', 'Möhre', '小明', 'किटी', 'a', '42', 'red_robot-2', 'x'.repeat(32)])(
    '%s is a name',
    (name) => {
      expect(checkSubjectName(name)).toBe(name.normalize('NFC'));
    },
  );

  it.each(['', 'my cat', 'mochi!', '🐈', 'x'.repeat(33), '\u0301a', 'a:b', '<b>'])(
    '“%s” is not a name',
    (name) => {
      expect(() => checkSubjectName(name)).toThrow(/1 to 32 letters/);
    },
  );

  it('of classes are plain nouns, in lower case', () => {
    expect(checkClassName('Guinea  Pig')).toBe('guinea pig');
    expect(() => checkClassName('42')).toThrow(/common noun/);
    expect(() => checkClassName('cat, best quality')).toThrow(/common noun/);
  });
});

describe('tokens', () => {
  it('are the same for the same name, and never ones in use', () => {
    expect(tokenFor('mochi', new Set())).toBe(tokenFor('mochi', new Set()));
    const taken = new Set<string>();
    for (let i = 0; i < 400; i++) taken.add(tokenFor(`subject ${i}`, taken));
    expect(taken.size).toBe(400);
    for (const token of taken) expect(token).toMatch(/^[jkqvwxz]{4,}$/);
  });
});
