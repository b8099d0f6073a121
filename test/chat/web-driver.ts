/** @file The web chat as the scenarios see it: requests and a WebSocket as the page has them, no page drawn. */
import { randomUUID } from 'node:crypto';
import { WebSocket } from 'ws';
import type { Card } from '../../commands/card.ts';
import { type Bot, startBot } from '../../bot/main.ts';
import type { LineView, ServerMessage, WhisperView } from '../../bot/web/protocol.ts';
import { openHouse } from '../helpers/house.ts';
import { until } from '../helpers/until.ts';
import type { ChatDriver, ChatMember, Seen, TestPhoto } from './driver.ts';

const CHANNEL = 'general';
const silent = { info: () => {}, warn: () => {}, error: () => {} };

export async function openWebChat(): Promise<ChatDriver> {
  const house = await openHouse();
  let bot: Bot | null = await startBot(house.storage, house.config, { log: silent });
  const { address, moderatorAddress } = bot;
  const config = { ...house.config, port: Number(new URL(address).port) };
  const browsers: Browser[] = [];
  const enter = async (name: string, moderator = false): Promise<Browser> => {
    const browser = new Browser(name, address);
    browsers.push(browser);
    await browser.enter(moderator ? moderatorAddress : null);
    return browser;
  };
  const watcher = await enter('Watcher');
  return {
    platform: 'web',
    storage: house.storage,
    channelId: CHANNEL,
    environment: { KRONA_DATA: config.dataFolder, KRONA_PORT: String(config.port) },
    member: (name, { moderator = false } = {}) => enter(name, moderator),
    messages: async () => watcher.messages(),
    files: async () => watcher.links(),
    deleteThere: null,
    limitDeletion: null,
    // Nothing in a page can ping anybody.
    pinged: async () => [],
    async stopBot() {
      await bot?.stop();
      bot = null;
    },
    async startBot() {
      bot = await startBot(house.storage, config, { log: silent });
      await Promise.all(browsers.map((browser) => browser.connect()));
    },
    async close() {
      for (const browser of browsers) browser.leave();
      await bot?.stop();
      await house.close();
    },
  };
}

/** What a member's page keeps. */
class Browser implements ChatMember {
  readonly name: string;
  readonly #address: string;
  readonly #cookies = new Map<string, string>();
  readonly #lines = new Map<string, LineView>();
  readonly #whispers = new Map<string, WhisperView>();
  readonly #settled = new Set<string>();
  #socket: WebSocket | null = null;

  constructor(name: string, address: string) {
    this.name = name;
    this.#address = address;
  }

  async enter(moderatorAddress: string | null): Promise<void> {
    if (moderatorAddress !== null) await this.#fetch(moderatorAddress, { redirect: 'manual' });
    await this.#request('POST', '/api/me', { name: this.name });
    await this.connect();
  }

  /** Opens the page's connection and waits for what it has missed. */
  async connect(): Promise<void> {
    this.#socket?.terminate();
    const socket = new WebSocket(`${this.#address.replace('http', 'ws')}/api/live`, {
      headers: { cookie: this.#cookie(), origin: this.#address },
    });
    this.#socket = socket;
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.on('message', (data: Buffer) => {
        const message = JSON.parse(data.toString()) as ServerMessage;
        this.#take(message);
        if (message.type === 'hello')
          socket.send(JSON.stringify({ type: 'watch', channelId: CHANNEL, since: 0, limit: 500 }));
        if (message.type === 'channel') resolve();
      });
    });
  }

  leave(): void {
    this.#socket?.terminate();
  }

  #take(message: ServerMessage): void {
    if (message.type === 'channel') {
      this.#lines.clear();
      for (const line of message.lines) this.#lines.set(line.id, line);
      for (const whisper of message.whispers) this.#whispers.set(whisper.id, whisper);
    }
    if (message.type === 'line') {
      if (message.line.body.kind === 'gone') this.#lines.delete(message.line.id);
      else this.#lines.set(message.line.id, message.line);
    }
    if (message.type === 'whisper') this.#whispers.set(message.whisper.id, message.whisper);
    if (message.type === 'settled') this.#settled.add(message.id);
  }

  messages(): Seen[] {
    return [...this.#lines.values()].flatMap(({ id, body }) =>
      body.kind === 'card' ? [read(id, body.card)] : [],
    );
  }

  /** How many files the lines link to. */
  links(): number {
    return [...this.#lines.values()].reduce((sum, { links }) => sum + Object.keys(links).length, 0);
  }

  async whispers(): Promise<Seen[]> {
    return [...this.#whispers.values()].map(({ id, card }) => read(id, card));
  }

  async givePhotos(subject: string, className: string, photos: readonly TestPhoto[]): Promise<void> {
    await this.#send(`/krona photos add subject:${subject} class:${className}`, await this.#upload(photos));
  }

  /** As the page's button does it: the picture comes back with the message. */
  async remix(message: Seen, picture: number, prompt: string): Promise<void> {
    const { blobHash } = this.#card(message.id).pictures![picture - 1]!;
    const link = this.#lines.get(message.id)!.links[blobHash]!;
    const response = await this.#fetch(new URL(link, this.#address).href, {});
    const bytes = Buffer.from(await response.arrayBuffer());
    await this.#send(`/krona imagine ${prompt}`, await this.#upload([{ name: 'picture.png', bytes }]));
  }

  async edit(picture: TestPhoto, prompt: string, where: string): Promise<void> {
    await this.#send(`/krona edit ${prompt} where:${where}`, await this.#upload([picture]));
  }

  async upscale(picture: TestPhoto, by: string): Promise<void> {
    await this.#send(`/krona upscale by:${by}`, await this.#upload([picture]));
  }

  async #upload(photos: readonly TestPhoto[]): Promise<string[]> {
    const uploads: string[] = [];
    for (const { name, bytes } of photos) {
      const response = await this.#fetch(`${this.#address}/api/uploads`, {
        method: 'POST',
        headers: { 'x-file-name': encodeURIComponent(name) },
        body: new Uint8Array(bytes),
      });
      uploads.push(((await response.json()) as { id: string }).id);
    }
    return uploads;
  }

  run(command: string): Promise<void> {
    return this.#send(command, []);
  }

  async press(message: Seen, label: string): Promise<void> {
    const { buttons = [], menu } = this.#card(message.id);
    const button = [...buttons, ...(menu?.choices ?? [])].find((each) => each.label === label);
    if (!button) throw new Error(`${message.id} has no button ${label}`);
    const id = randomUUID();
    await this.#request('POST', `/api/channels/${CHANNEL}/actions`, { id, action: button.action });
    await this.#untilSettled(id);
  }

  async vote(message: Seen, picture: number, added = true): Promise<void> {
    const { id: pictureId } = this.#card(message.id).pictures![picture - 1]!;
    await this.#request('PUT', `/api/channels/${CHANNEL}/votes`, { pictureId, emoji: '❤️', added });
  }

  async #send(text: string, uploads: readonly string[]): Promise<void> {
    const id = randomUUID();
    await this.#request('POST', `/api/channels/${CHANNEL}/messages`, { id, text, uploads });
    await this.#untilSettled(id);
  }

  async #untilSettled(id: string): Promise<void> {
    await until(() => this.#settled.has(id), 'an answer');
  }

  #card(lineId: string): Card {
    const whisper = this.#whispers.get(lineId);
    if (whisper) return whisper.card;
    const body = this.#lines.get(lineId)?.body;
    if (body?.kind !== 'card') throw new Error(`there is no message ${lineId}`);
    return body.card;
  }

  async #request(method: string, path: string, body: object): Promise<void> {
    const response = await this.#fetch(this.#address + path, {
      method,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
  }

  async #fetch(url: string, init: RequestInit): Promise<Response> {
    const response = await fetch(url, {
      ...init,
      headers: { ...init.headers, cookie: this.#cookie(), origin: this.#address },
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [name, value] = cookie.split(';')[0]!.split(/=(.*)/s) as [string, string];
      this.#cookies.set(name, value);
    }
    return response;
  }

  #cookie(): string {
    return [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  }
}

function read(id: string, card: Card): Seen {
  const {
    title,
    text = [],
    fields = [],
    table,
    progress,
    charts = [],
    pictures = [],
    preview,
    files = [],
    buttons = [],
    menu,
  } = card;
  const rows = table ? [table.columns, ...table.rows].map((row) => row.join('  ')) : [];
  const captions = pictures.map(({ caption }) => caption ?? '');
  return {
    id,
    text: [
      title,
      ...text,
      ...charts.map(({ label }) => label),
      ...fields.map(({ name, value }) => `${name}: ${value}`),
      ...rows,
      progress?.label ?? '',
      ...captions,
    ]
      .filter((line) => line !== '')
      .join('\n'),
    pictures: pictures.length,
    preview: preview?.alt ?? null,
    files: files.map((file) => file.name),
    buttons: [...buttons, ...(menu?.choices ?? [])].map(({ label }) => label),
  };
}
