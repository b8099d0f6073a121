import { expect, it } from 'vitest';
import type { Storage } from '../../storage/open.ts';
import { MODEL, Room } from './helpers.ts';

/** What members type into prompts, and the styles of a channel. */
export function promptsSuite(storage: () => Storage): void {
  const room = (): Room => new Room(storage());
  const drawn = async (channel: Room, line: string) =>
    channel.set(await channel.say('ann', `/krona imagine ${line}`));

  it('flags in a prompt are options', async () => {
    await storage().records.saveModelCard(MODEL);
    const set = await drawn(room(), 'a cat on a mat --no dogs, red hats --ar 3:2 --seed 5 --steps 7');
    expect(set).toMatchObject({ prompt: 'a cat on a mat', negative: 'dogs, red hats', seed: 5 });
    expect(set.settings).toMatchObject({ samplingSteps: 7, size: '160x112' });
  });

  it.each([
    ['a cat --seed 5 seed:6', /^OPTION_TWICE: `seed` is an option and in the prompt as `--seed`/],
    ['a cat --ar 9:1', /^SHAPE_INVALID: `--ar` must be width to height, from 1:4 to 4:1/],
    ['a cat --steps 500', /^OPTION_INVALID: `steps` must be a whole number from 1 to 150/],
    ['a cat --quality 2', /^PROMPT_FLAG_UNKNOWN: A prompt can't have `--quality`/],
    ['--no dogs', /^OPTION_EMPTY: The prompt has only flags/],
    ['a (cat:3)', /^PROMPT_WEIGHT_INVALID: “cat” has the weight 3/],
    ['a {red|blue|green|black|white} cat', /^ALTERNATIVES_TOO_MANY: .* make 5 pictures, one each; at most 4/],
    ['a {red|blue} cat count:1', /^ALTERNATIVES_TOO_MANY: .* make 2 pictures, one each; at most 1/],
    ['a cat --style ink', /^STYLE_UNKNOWN: This channel has no style “ink”/],
    ['a cat change:0.5', /^OPTION_INVALID: `change` is how much of a picture to begin with can change/],
  ])('is refused: %s', async (line, message) => {
    await storage().records.saveModelCard(MODEL);
    expect(await room().refusal('ann', `/krona imagine ${line}`)).toMatch(message);
  });

  it('the last word of a weight is no option', async () => {
    const set = await drawn(room(), 'a cat (in watercolour style:1.3) steps:7 (big seed:0.5)');
    expect(set).toMatchObject({ prompt: 'a cat (in watercolour style:1.3) (big seed:0.5)' });
    expect(set.settings.samplingSteps).toBe(7);
  });

  it('alternatives make one picture each, with the adapters of all that they name', async () => {
    const channel = room();
    const [mochi] = await channel.trained('mochi', 'cat');
    const [rex] = await channel.trained('rex', 'dog');
    const set = await drawn(channel, 'a {red|blue} house');
    expect(set).toMatchObject({ prompt: 'a {red|blue} house', count: 2 });
    expect(await drawn(channel, '{mochi|rex} at sea count:4')).toMatchObject({
      count: 4,
      adapterId: mochi!.id,
      alsoAdapterIds: [rex!.id],
    });
  });

  it('a picture of an alternative is varied and upscaled by its own words', async () => {
    const channel = room();
    const set = await drawn(channel, 'a {red|blue} house');
    const [, second] = await channel.finishSet(set, [], ['a red house', 'a blue house']);
    for (const verb of ['vary', 'upscale'])
      expect((await channel.set(await channel.press('ben', `${verb}:${second!}`))).prompt).toBe(
        'a blue house',
      );
    const details = JSON.stringify(await channel.press('ben', `details:${set.id}`));
    expect(details).toContain('a blue house');
  });

  it('a style is saved, used, changed and removed', async () => {
    const channel = room();
    await channel.say(
      'ann',
      '/krona style save name:Ink prompt:"ink of {prompt}, thick lines" negative:colours',
    );
    await channel.say('ann', '/krona style save name:old prompt:"old photo"');
    expect(await drawn(channel, 'a cat --style ink --no dogs')).toMatchObject({
      prompt: 'ink of a cat, thick lines',
      negative: 'colours, dogs',
    });
    expect((await drawn(channel, 'a cat style:ink,old')).prompt).toBe('ink of a cat, thick lines, old photo');
    expect(await channel.refusal('ann', '/krona imagine a cat style:inc')).toMatch(/Did you mean “Ink”/);
    const changed = await channel.say('ben', '/krona style save name:ink prompt:pencil');
    expect(changed.title).toBe('Style ink changed');
    expect((await drawn(channel, 'a cat --style INK')).prompt).toBe('a cat, pencil');
    const { table } = await channel.say('ben', '/krona style list');
    expect(table!.rows).toEqual([
      ['ink', 'pencil', '–'],
      ['old', 'old photo', '–'],
    ]);
    await channel.say('ben', '/krona style remove ink');
    expect(await channel.refusal('ann', '/krona imagine a cat --style ink')).toMatch(/^STYLE_UNKNOWN/);
    expect((await room().say('ann', '/krona style list')).title).toBe('No styles yet');
  });

  it('a style that repeats the prompt cannot make it grow without end', async () => {
    const channel = room();
    await channel.say('ann', `/krona style save name:many prompt:"${'{prompt} '.repeat(50)}"`);
    expect((await drawn(channel, 'cat --style many')).prompt).toHaveLength(199);
    expect(await channel.refusal('ben', `/krona imagine ${'cat '.repeat(50)}--style many`)).toMatch(
      /^PROMPT_TOO_LONG: In its styles the prompt has \d+ characters; at most 3000/,
    );
    expect(await channel.refusal('ben', '/krona imagine cat --style many,many,many')).toMatch(
      /^PROMPT_TOO_LONG/,
    );
    expect(await channel.refusal('ben', '/krona imagine cat --style many,a,a,a,a')).toMatch(
      /^STYLES_TOO_MANY: A prompt can have 4 styles; yours has 5/,
    );
  });

  it('a style keeps the rules of the channel', async () => {
    const channel = room();
    channel.moderators.add('mod');
    await channel.say('mod', '/krona rules words add:gore');
    expect(await channel.refusal('ann', '/krona style save name:bad prompt:"much gore"')).toMatch(
      /^PROMPT_REFUSED/,
    );
    expect(await channel.refusal('ann', '/krona style save name:bad prompt:"(x:9)"')).toMatch(
      /^PROMPT_WEIGHT/,
    );
    expect(await channel.refusal('ann', '/krona style save name:"a b" prompt:x')).toMatch(/^STYLE_NAME/);
    await channel.say('mod', '/krona rules roles right:settings who:moderators');
    expect(await channel.refusal('ann', '/krona style save name:ink prompt:ink')).toMatch(/^NOT_ALLOWED/);
  });

  it('refused words are found in what a style adds, and whatever signs stand around them', async () => {
    const channel = room();
    channel.moderators.add('mod');
    await channel.say('mod', '/krona style save name:bad prompt:"much gore"');
    await channel.say('mod', '/krona rules words add:gore');
    for (const line of [
      'a cat --style bad',
      'a (gore:1.2) cat',
      'a {gore|cat}',
      'a [gore]',
      'a {go|}re',
      'a (go)re',
    ])
      expect(await channel.refusal('ann', `/krona imagine ${line}`), line).toMatch(/^PROMPT_REFUSED/);
  });

  it('refused words are found in the class of any subject that a prompt names', async () => {
    const channel = room();
    channel.moderators.add('mod');
    await channel.trained('mochi', 'cat');
    await channel.trained('foo', 'gore');
    await channel.trained('bar', 'go');
    const before = await channel.say('ann', '/krona imagine mochi beside foo');
    expect(before.follows!.kind).toBe('set');
    await channel.say('mod', '/krona rules words add:gore');
    for (const line of [
      '/krona imagine mochi beside foo',
      '/krona imagine mochi (fo)o, foo',
      '/krona imagine mochi, (bar)re',
      '/krona duel foo mochi prompts:"mochi beside foo"',
    ])
      expect(await channel.refusal('ann', line), line).toMatch(/^PROMPT_REFUSED|ADAPTER_OF_OTHER/);
    expect((await channel.press('ben', `again:${before.follows!.id}`)).fields![0]!.value).toBe(
      'PROMPT_REFUSED',
    );
  });

  it("the channel's negative prompt comes before a member's own", async () => {
    const channel = room();
    await channel.say('ann', '/krona settings draw negative:"blurry, text"');
    expect((await drawn(channel, 'a cat')).negative).toBe('blurry, text');
    expect((await drawn(channel, 'a cat --no dogs')).negative).toBe('blurry, text, dogs');
    expect((await drawn(channel, 'a cat negative:none')).negative).toBeNull();
    await channel.say('ann', '/krona settings draw negative:none');
    expect((await drawn(channel, 'a cat')).negative).toBeNull();
  });
}
