/** The bot on Slack over HTTP: signed requests at its own server, answered in time and not believed without a signature. */
import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { imagesOf, type Person, textOf } from '../fakes/slack/fake-slack.ts';
import { type Json, SIGNING_SECRET } from '../fakes/slack/workspace.ts';
import { until } from '../helpers/until.ts';
import { catPhotos, drawings, SlackWorld } from './slack-world.ts';

let world: SlackWorld;
let mia: Person;
let ben: Person;
let channel: string;
beforeAll(async () => {
  world = await SlackWorld.open({ http: true });
  [mia, ben] = [await world.slack.person('Mia'), await world.slack.person('Ben')];
  channel = await world.slack.channel('pets', [mia, ben]);
}, 300_000);
afterAll(() => world.close());

describe('Slack over HTTP', () => {
  it('accepts only signed, recent requests, and answers Slack’s URL check', async () => {
    const CHECK = JSON.stringify({ type: 'url_verification', challenge: 'are you there?' });
    const send = (time: number, secret: string, body = CHECK) =>
      fetch(`${world.address}/slack/events`, {
        method: 'POST',
        body,
        headers: {
          'content-type': 'application/json',
          'x-slack-request-timestamp': String(time),
          'x-slack-signature': `v0=${createHmac('sha256', secret).update(`v0:${time}:${body}`).digest('hex')}`,
        },
      });
    const now = Math.floor(Date.now() / 1000);
    const good = await send(now, SIGNING_SECRET);
    expect(await good.json()).toEqual({ challenge: 'are you there?' });
    expect((await send(now, 'another secret')).status).toBe(401);
    expect((await send(now - 600, SIGNING_SECRET)).status).toBe(401);
    const unsigned = await fetch(`${world.address}/slack/events`, { method: 'POST', body: CHECK });
    expect(unsigned.status).toBe(401);
    for (const other of ['null', '7', '[]', '"text"', '{'])
      expect((await send(now, SIGNING_SECRET, other)).status, other).toBe(400);
  });

  it('takes photos in a form, draws, counts a duplicate vote once, and shows the Home tab', async () => {
    await mia.types(channel, 'photos add subject:mochi class:cat');
    await until(() => mia.form(), 'the form');
    expect(await mia.suggestions('subject', 'mo')).toEqual(['mo (new)']);
    expect(await mia.submits({ consent: true }, await catPhotos(2))).toBeNull();
    await world.message(channel, '2 photos of mochi added');

    await ben.types(channel, 'imagine a fox');
    await world.worker.draw(await world.openSet(channel), await drawings(2));
    const set = await until(async () => {
      const message = await world.message(channel, 'a fox');
      return imagesOf(message.blocks).length === 2 ? message : null;
    }, 'pictures');
    await mia.reacts(channel, set.ts, 'one');
    await world.slack.act('again');
    await until(
      async () => textOf((await world.message(channel, 'a fox')).blocks).includes('1 · 1️⃣ 1'),
      'the vote shown',
    );
    await ben.presses(channel, set.ts, 'Details');
    await world.whisper(ben, 'guidance');
    await ben.opensHome();
    const home = await until(async () => (await world.slack.see()).homes[ben.id], 'the Home tab');
    expect(textOf(home['blocks'] as Json[])).toContain('None yet.');
    const record = (await world.storage.records.channels('slack'))[0]!;
    const { targetId } = (await world.storage.records.postByMessage(record.id, set.ts))!;
    expect(await world.storage.records.voteFacts(targetId)).toHaveLength(1);
  });

  it('receives events from while it was offline', async () => {
    await ben.types(channel, 'imagine a badger');
    await world.worker.draw(await world.openSet(channel), await drawings(2));
    const set = await until(async () => {
      const message = await world.message(channel, 'a badger');
      return imagesOf(message.blocks).length === 2 ? message : null;
    }, 'pictures');
    await world.stopBot();
    const { tries } = await world.slack.see();
    await ben.reacts(channel, set.ts, 'two');
    await until(async () => (await world.slack.see()).tries > tries, 'a vain try');
    await world.startBot();
    await world.slack.act('advance', { ms: 61_000 });
    await until(
      async () => textOf((await world.message(channel, 'a badger')).blocks).includes('2 · 2️⃣ 1'),
      'the vote',
    );
  });

  it("tells the caller where it can't post, continues the job, and posts it once when invited", async () => {
    const elsewhere = await world.slack.channel('elsewhere', [ben], { withBot: false });
    await ben.types(elsewhere, 'imagine an owl');
    await world.whisper(ben, /invite @krona/);
    await world.worker.draw(await world.openSet(elsewhere), await drawings(1));
    await world.slack.act('channel', { channel: elsewhere, bot: true });
    const message = await world.message(elsewhere, 'an owl');
    await until(
      async () => imagesOf((await world.message(elsewhere, 'an owl')).blocks).length === 1,
      'its picture',
    );
    expect(await world.slack.messages(elsewhere)).toMatchObject([{ ts: message.ts }]);
    const told = (await ben.whispers()).filter(({ blocks }) => textOf(blocks).includes('/invite'));
    expect(told).toHaveLength(1);
    expect(world.log.splice(0).every((line) => line.includes('not in this channel'))).toBe(true);
  });

  it('broke no rule of Slack and logged no warning', async () => {
    expect((await world.slack.see()).problems).toEqual([]);
    expect(world.log).toEqual([]);
  });
});
