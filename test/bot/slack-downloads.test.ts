/** Where photos may be fetched from: the bot's token goes to Slack, or to what the administrator named, and nowhere else. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PhotoDownloads } from '../../bot/slack/photo-download.ts';
import { SlackApi } from '../../bot/slack/web-api.ts';

const TOKEN = 'xoxb-secret';
const quiet = { info() {}, warn() {}, error() {} };
/** What `files.info` tells, by the file's id. */
const addresses: Record<string, string> = {};
let api: Server;
let files: Server;
/** Hosts that were asked for a file, with what they were told. */
const asked: string[] = [];

const listening = (server: Server) => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const port = (server: Server) => (server.address() as AddressInfo).port;

beforeAll(async () => {
  api = createServer((request, response) => {
    let body = '';
    request.on('data', (part) => (body += String(part)));
    request.on('end', () => {
      const address = addresses[new URLSearchParams(body).get('file')!];
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ ok: true, file: { url_private: address } }));
    });
  });
  files = createServer((request, response) => {
    asked.push(`${request.headers.host} ${request.headers.authorization}`);
    if (request.url === '/away') response.writeHead(302, { location: 'http://files.example.org/photo' });
    response.end('a photo');
  });
  await Promise.all([listening(api), listening(files)]);
});
afterAll(() => {
  api.close();
  files.close();
});

/** @param configured KRONA_SLACK_API; files.info is answered all the same */
async function read(address: string, configured: string | null): Promise<string> {
  addresses['F1'] = address;
  const client = new SlackApi(TOKEN, `http://127.0.0.1:${port(api)}/api/`, quiet);
  const bytes = await new PhotoDownloads(client, TOKEN, configured).attachment({ id: 'F1' }).read();
  return Buffer.from(bytes).toString();
}

it('fetches from any name and port of this machine when the API is on it', async () => {
  for (const name of ['127.0.0.1', 'localhost'])
    for (const host of ['127.0.0.1', 'localhost', '127.1']) {
      const configured = `http://${name}:${port(api)}/api/`;
      expect(await read(`http://${host}:${port(files)}/photo`, configured)).toBe('a photo');
      expect(asked.pop()).toMatch(new RegExp(`:${port(files)} Bearer ${TOKEN}$`));
    }
});

it('sends the token to no other host', async () => {
  const here = `http://127.0.0.1:${port(api)}/api/`;
  const there = 'https://slack.example.org/api/';
  for (const [address, configured] of [
    ['http://files.example.org/photo', here],
    ['http://127.0.0.1.example.org/photo', here],
    ['http://localhost.example.org/photo', here],
    [`http://127.0.0.1:${port(files)}/photo`, there],
    [`http://localhost:${port(files)}/photo`, null],
    ['http://files.slack.com/photo', null],
  ] as const)
    await expect(read(address, configured)).rejects.toMatchObject({ code: 'ATTACHMENT_FORBIDDEN' });
  expect(asked).toEqual([]);
  await expect(read(`http://localhost:${port(files)}/away`, here)).rejects.toMatchObject({
    code: 'ATTACHMENT_FORBIDDEN',
  });
  expect(asked).toHaveLength(1);
});
