/**
 * The Web API and file part of the conversation against a Slack that is not ours: npm's `emulate`, which knows neither
 * slash commands nor forms, but keeps messages, files, reactions and scopes by its own reading of Slack's reference.
 */
import { randomUUID } from 'node:crypto';
import { createEmulator, type Emulator } from 'emulate';
import { webApi } from '@slack/bolt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Delivery } from '../../bot/delivery/delivery.ts';
import { createHandlers } from '../../bot/dispatch.ts';
import type { Log } from '../../core/log.ts';
import { appManifest } from '../../bot/slack/manifest.ts';
import { PhotoDownloads } from '../../bot/slack/photo-download.ts';
import { SlackGateway } from '../../bot/slack/slack-gateway.ts';
import { SlackApi } from '../../bot/slack/web-api.ts';
import { VoteDesk } from '../../bot/votes.ts';
import type { Channel } from '../../core/records.ts';
import { newRun, newSet, newSubject } from '../helpers/new-records.ts';
import { until } from '../helpers/until.ts';
import { catPhotos, drawings } from './slack-world.ts';
import type { TestHouse } from '../helpers/house.ts';
import { openServerHouse } from '../helpers/server-house.ts';
import { PlayedWorker } from './world.ts';

let emulator: Emulator;
let house: TestHouse;
let mia: webApi.WebClient;
let channelId: string;
const logged: string[] = [];
const say = (fields: object, message: string) =>
  void logged.push(`${message} ${String((fields as { error?: { message?: string } }).error?.message)}`);
const log: Log = { info: () => {}, warn: say, error: say };

/** Port of the emulator; it does not take 0. */
const PORT = 20_000 + Math.floor(Math.random() * 20_000);
const TOKEN = 'xoxb-krona';
const scopes = appManifest(null).oauth_config!.scopes!;

beforeAll(async () => {
  house = await openServerHouse();
  emulator = await createEmulator({
    service: 'slack',
    port: PORT,
    seed: {
      slack: {
        users: [{ name: 'krona' }, { name: 'mia', real_name: 'Mia', is_admin: true }],
        channels: [{ name: 'pets' }],
        tokens: [
          // No more than the manifest asks for.
          { token: TOKEN, user: 'krona', scopes: [...scopes.bot!, ...scopes.bot_optional!] },
          {
            token: 'xoxp-mia',
            user: 'mia',
            scopes: ['chat:write', 'files:write', 'reactions:write', 'channels:read'],
          },
        ],
        strict_scopes: true,
      },
    },
  });
  mia = new webApi.WebClient('xoxp-mia', { slackApiUrl: `${emulator.url}/api/` });
  const { channels } = await mia.conversations.list();
  channelId = channels!.find(({ name }) => name === 'pets')!.id!;
}, 300_000);
afterAll(async () => {
  await emulator.close();
  await house.close();
});

async function startBot() {
  const { storage: context } = house;
  const config = {
    botToken: TOKEN,
    oauth: null,
    appToken: null,
    signingSecret: 'unused',
    api: `${emulator.url}/api/`,
  };
  const gateway = new SlackGateway({
    ...{ config, context, log, secret: 'a secret', address: () => 'http://krona.test' },
    link: (hash, name) => `http://krona.test/${hash}/${name}`,
  });
  const delivery = new Delivery(gateway, context, log);
  const votes = new VoteDesk(gateway, context, log);
  await gateway.start(createHandlers({ platform: 'slack', context, delivery, votes, log }));
  delivery.start();
  return {
    gateway,
    votes,
    async stop() {
      await gateway.stop();
      await delivery.stop();
    },
  };
}

const history = async () =>
  (await mia.apiCall('conversations.history', { channel: channelId, token: TOKEN })) as unknown as {
    messages: {
      ts: string;
      blocks?: { type: string; slack_file?: { id: string } }[];
      files?: { name: string }[];
      thread_ts?: string;
    }[];
  };

describe('an independent imitation of Slack', () => {
  let channel: Channel;
  beforeAll(async () => {
    channel = await house.storage.records.channel('slack', channelId, 'pets');
  });

  it('shows a set in one message, with its pictures as files and numbers to vote with', async () => {
    const { records } = house.storage;
    const member = await records.member('slack', 'U1', 'Ann');
    const bot = await startBot();
    const set = await records.addSet(
      newSet({ channelId: channel.id, memberId: member.id, prompt: 'a fox & <!channel>', count: 4 }),
    );
    await records.addPost({ id: randomUUID(), channelId: channel.id, kind: 'set', targetId: set.id });
    await until(async () => (await records.postOf(set.id))!.messageId, 'its message');
    await new PlayedWorker(house.storage).draw(set, await drawings(4));
    const shown = await until(
      async () =>
        (await history()).messages.find(
          ({ blocks }) => blocks?.filter(({ type }) => type === 'image').length === 4,
        ),
      'its pictures',
    );
    const { ts } = shown;
    expect(ts).toBe((await records.postOf(set.id))!.messageId);
    for (const { slack_file: file } of shown.blocks!.filter(({ type }) => type === 'image')) {
      const info = await mia.files.info({ file: file!.id, token: TOKEN });
      expect(info.file).toMatchObject({ mimetype: 'image/png' });
    }
    await until(async () => {
      const { message } = await mia.reactions.get({ channel: channelId, timestamp: ts, token: TOKEN });
      return message?.reactions?.map(({ name }) => name).join() === 'one,two,three,four';
    }, 'the numbers');

    await mia.reactions.add({ channel: channelId, timestamp: ts, name: 'three' });
    await bot.votes.readAgain();
    const [fact] = await records.voteFacts(set.id);
    const [voter] = await records.members([fact!.memberId]);
    expect(fact).toMatchObject({ emoji: 'three', added: true });
    expect(voter!.name).toBe('mia');
    await bot.stop();
  });

  it("finds its message, even in a process that doesn't know it", async () => {
    const nonce = randomUUID();
    const card = { tone: 'info', title: 'Once' } as const;
    const first = await startBot();
    const posted = await first.gateway.post(channel, card, nonce);
    await first.stop();
    const second = await startBot();
    expect(await second.gateway.post(channel, card, nonce)).toBe(posted);
    expect(await second.gateway.post(channel, card, randomUUID())).not.toBe(posted);
    await mia.chat.delete({ channel: channelId, ts: posted, token: TOKEN });
    await expect(second.gateway.edit(channel, posted, card)).rejects.toMatchObject({ code: 'MESSAGE_GONE' });
    await expect(
      second.gateway.post({ ...channel, externalId: 'C0NOWHERE' }, card, randomUUID()),
    ).rejects.toMatchObject({
      code: 'CHANNEL_GONE',
    });
    await second.stop();
  });

  it("keeps an adapter in its message's thread, once, and deletes it with the adapter", async () => {
    const { records } = house.storage;
    const { id: ownerId } = await records.member('slack', 'U1', 'Ann');
    const subject = await records.addSubject(newSubject({ channelId: channel.id, ownerId }));
    const run = await records.addRun(newRun(subject, { state: 'done' }));
    const adapterId = await new PlayedWorker(house.storage).adapter(run, 200, true);
    const { blobHash, size } = (await records.adapter(adapterId))!;
    const card = {
      tone: 'success',
      title: 'Learnt',
      files: [{ name: 'mochi-200-3fa9c1.safetensors', blobHash, size }],
    } as const;
    const poster = await startBot();
    const ts = await poster.gateway.post(channel, { tone: 'progress', title: 'Learning' }, randomUUID());
    await poster.stop();
    const threads = async () => {
      const answer = (await mia.apiCall('conversations.replies', {
        channel: channelId,
        ts,
        token: TOKEN,
      })) as unknown as {
        messages: { ts: string; files?: { name: string }[] }[];
      };
      const [message, ...replies] = answer.messages;
      expect(message!.ts).toBe(ts);
      return replies.map(({ files }) => files![0]!.name);
    };
    for (let round = 0; round < 2; round++) {
      const bot = await startBot();
      await bot.gateway.edit(channel, ts, card);
      await bot.stop();
      expect(await threads()).toEqual(['mochi-200-3fa9c1.safetensors']);
    }
    const bot = await startBot();
    await records.deleteAdapter(adapterId);
    await until(async () => (await threads()).length === 0, 'the reply to go');
    await bot.stop();
  });

  it("gives access to a member's photo", async () => {
    const [photo] = await catPhotos(1);
    const { files } = (await mia.filesUploadV2({
      channel_id: channelId,
      file: photo!.bytes,
      filename: 'mochi.png',
    })) as unknown as {
      files: { files: { id: string }[] }[];
    };
    const api = new SlackApi(TOKEN, `${emulator.url}/api/`, log);
    const downloads = new PhotoDownloads(api, TOKEN, `${emulator.url}/api/`);
    const bytes = await downloads.attachment({ id: files[0]!.files[0]!.id, name: 'mochi.png' }).read();
    expect(Buffer.from(bytes).equals(photo!.bytes)).toBe(true);
    await expect(downloads.attachment({ id: 'F0NOWHERE', name: 'x.png' }).read()).rejects.toMatchObject({
      code: 'ATTACHMENT_GONE',
    });
  });

  it('caused no warnings of the bot', () => {
    // It closes connections that rest for 5 s, maybe under a request, which is then sent again.
    expect(logged.filter((line) => !line.startsWith('Slack: http request failed fetch failed'))).toEqual([]);
  });
});
