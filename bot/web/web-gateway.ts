/**
 * @file The web chat as a gateway: messages are lines in the records, so posting is writing, and reactions reach the
 * records without a platform in between. routes.ts serves its pages, hub.ts tells them what changes.
 */
import type { Card } from '../../commands/card.ts';
import type { CommandContext } from '../../commands/contract.ts';
import type { Log } from '../../core/log.ts';
import type { Channel } from '../../core/records.ts';
import type { WebAccess } from '../../core/web-access.ts';
import type { Gateway, GatewayHandlers, Outage } from '../gateway.ts';
import { Channels } from './channels.ts';
import { Hub } from './hub.ts';
import { Lines } from './lines.ts';
import { MemberEvents } from './member-events.ts';
import type { Uploads } from '../uploads.ts';
import { ConversationViews } from './views.ts';

export interface WebGatewayParts {
  readonly context: CommandContext;
  readonly secret: string;
  readonly access: WebAccess;
  readonly uploads: Uploads;
  readonly log: Log;
}

export class WebGateway implements Gateway {
  readonly platform = 'web';
  readonly hub: Hub;
  readonly events: MemberEvents;
  readonly channels: Channels;
  readonly views: ConversationViews;
  readonly #lines: Lines;

  constructor({ context, secret, access, uploads, log }: WebGatewayParts) {
    this.channels = new Channels({ records: context.records, local: access.local });
    const beingAnswered = new Set<string>();
    this.views = new ConversationViews(context.records, secret, beingAnswered);
    this.hub = new Hub(this.views, log);
    this.#lines = new Lines(context.records, this.hub);
    const { hub, views } = this;
    this.events = new MemberEvents({
      context,
      uploads,
      hub,
      views,
      lines: this.#lines,
      log,
      beingAnswered,
    });
  }

  editInterval(): number {
    return 500;
  }

  /** Its events come through the bot's own server. */
  isConnected(): boolean {
    return true;
  }

  async start(handlers: GatewayHandlers): Promise<void> {
    this.events.start(handlers);
    await this.channels.start();
    this.hub.start();
  }

  async stop(): Promise<void> {
    await this.events.stop();
    await this.hub.stop();
  }

  async post(channel: Channel, card: Card, nonce: string): Promise<string> {
    await this.#lines.add({ id: nonce, channel, memberId: null, body: { kind: 'card', card } });
    return nonce;
  }

  edit(channel: Channel, id: string, card: Card): Promise<void> {
    return this.#lines.update({ id, channel, memberId: null, body: { kind: 'card', card } });
  }

  remove(channel: Channel, messageId: string): Promise<void> {
    return this.#lines.remove(channel, messageId);
  }

  async readReactions(): Promise<null> {
    return null;
  }

  async tellOutage({ card, isOver }: Outage): Promise<void> {
    this.hub.tellOutage(isOver ? null : [card.title, ...(card.text ?? [])].join('. '));
  }

  /** Does nothing: on the page every picture has its own reactions. */
  invite(): void {}
}
