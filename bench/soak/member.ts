/** @file A member of the soak: a browser without a page. It asks, watches its channel, and votes on the last pictures there. */
import { randomUUID } from 'node:crypto';
import { WebSocket } from 'ws';

/** What the soak reads of a line. */
interface Line {
  readonly id: string;
  readonly body: {
    readonly kind: string;
    readonly card?: { readonly title: string; readonly pictures?: readonly { readonly id: string }[] };
  };
}

export class SoakMember {
  readonly #address: string;
  readonly #cookies = new Map<string, string>();
  #channel = '';
  #socket: WebSocket | null = null;
  /** Ids of the pictures of the newest line that has some. */
  #pictures: readonly string[] = [];
  /** Titles of cards by line: only of the newest lines. */
  readonly #titles = new Map<string, string>();

  private constructor(address: string) {
    this.#address = address;
  }

  /** Enters as a moderator, to whom no quota applies, and watches a channel of their own. */
  static async enter(address: string, moderatorAddress: string, name: string): Promise<SoakMember> {
    const member = new SoakMember(address);
    await member.#fetch(moderatorAddress, { redirect: 'manual' });
    await member.#post('POST', '/api/me', { name });
    const answer = (await member.#post('POST', '/api/channels', { name: `channel of ${name}` })) as {
      channel: { id: string };
    };
    member.#channel = answer.channel.id;
    member.#watch();
    return member;
  }

  leave(): void {
    this.#socket?.removeAllListeners('close');
    this.#socket?.terminate();
  }

  /** Newest cards' titles, to see what became of requests. */
  get titles(): readonly string[] {
    return [...this.#titles.values()];
  }

  async say(text: string, uploads: readonly string[] = []): Promise<void> {
    await this.#post('POST', `/api/channels/${this.#channel}/messages`, { id: randomUUID(), text, uploads });
  }

  async upload(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<string> {
    const headers = { 'x-file-name': encodeURIComponent(name) };
    const response = await this.#fetch(`${this.#address}/api/uploads`, {
      method: 'POST',
      headers,
      body: bytes,
    });
    return ((await response.json()) as { id: string }).id;
  }

  async vote(): Promise<void> {
    const [pictureId] = this.#pictures;
    if (pictureId === undefined) return;
    await this.#post('PUT', `/api/channels/${this.#channel}/votes`, { pictureId, emoji: '❤️', added: true });
  }

  async look(): Promise<void> {
    const response = await this.#fetch(`${this.#address}/api/channels/${this.#channel}/gallery`, {});
    await response.text();
  }

  #watch(): void {
    const socket = new WebSocket(`${this.#address.replace('http', 'ws')}/api/live`, {
      headers: { cookie: this.#cookie(), origin: this.#address },
    });
    this.#socket = socket;
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as { readonly type: string; readonly line?: Line };
      if (message.type === 'hello')
        socket.send(JSON.stringify({ type: 'watch', channelId: this.#channel, since: 0, limit: 60 }));
      if (message.line !== undefined) this.#take(message.line);
    });
    socket.on('error', () => {});
    socket.on('close', () => setTimeout(() => this.#watch(), 1000));
  }

  #take({ id, body }: Line): void {
    if (body.card === undefined) return;
    const { pictures = [], title } = body.card;
    if (pictures.length > 0) this.#pictures = pictures.map((picture) => picture.id);
    this.#titles.delete(id);
    this.#titles.set(id, title);
    const [oldest] = this.#titles.keys();
    if (this.#titles.size > 50 && oldest !== undefined) this.#titles.delete(oldest);
  }

  async #post(method: string, path: string, body: object): Promise<unknown> {
    const response = await this.#fetch(this.#address + path, {
      method,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  async #fetch(url: string, init: RequestInit): Promise<Response> {
    const headers = { ...init.headers, cookie: this.#cookie(), origin: this.#address };
    const response = await fetch(url, { ...init, headers, signal: AbortSignal.timeout(60_000) });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      this.#cookies.set(name, value);
    }
    return response;
  }

  #cookie(): string {
    return [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  }
}
