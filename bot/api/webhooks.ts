/**
 * @file Tells webhooks that work has ended: signed, at least once, again with growing pauses for about a day. What is to be
 * told stands in the records, so a restart loses nothing.
 */
import { createHmac } from 'node:crypto';
import type { CommandContext } from '../../commands/contract.ts';
import type { WebhookDelivery } from '../../core/api-tokens.ts';
import { pauseAfter } from '../../core/backoff.ts';
import { onFirstOf } from '../../core/first-signal.ts';
import { KronaError } from '../../core/errors.ts';
import { groupBy } from '../../core/group.ts';
import type { Log } from '../../core/log.ts';
import { repeat } from '../../core/retrying.ts';
import { webhookKey } from './tokens.ts';
import { type Link, workJson } from './work-view.ts';

/** Pause between looks, ms. */
const LOOK_EVERY = 2_000;
/** Told at once, of one token. */
const AT_ONCE = 10;
/** A server that takes longer to answer has failed, ms. */
const PATIENCE = 10_000;
/** Pauses between tries, ms, and how many tries there are: about a day. */
const PAUSES = { first: 10_000, longest: 3 * 3_600_000 };
const TRIES = 18;

export interface WebhookParts {
  readonly context: CommandContext;
  readonly link: Link;
  readonly secret: string;
  /** Where webhooks can go; what a token had before this was changed is not told any more. */
  readonly origins: readonly string[];
  readonly log: Log;
  /** ms */
  readonly lookEvery?: number;
  /** ms; as in PAUSES. */
  readonly pauses?: typeof PAUSES;
}

/**
 * Starts telling; the returned function stops at once. Each token's server is told by itself, so a slow one keeps nobody else
 * waiting.
 */
export function watchWebhooks(parts: WebhookParts): () => Promise<void> {
  const { context, origins, log, lookEvery = LOOK_EVERY } = parts;
  if (origins.length === 0) return async () => {};
  const { records } = context;
  const stopping = new AbortController();
  /** By token. */
  const underWay = new Map<string, Promise<void>>();
  const tellAll = async (tokenId: string, due: readonly WebhookDelivery[]): Promise<void> => {
    await Promise.all(due.map((delivery) => tell(delivery, parts, stopping.signal)));
    underWay.delete(tokenId);
  };
  const look = async (): Promise<void> => {
    await records.noteEndedWork();
    const due = await records.dueDeliveries(AT_ONCE, [...underWay.keys()]);
    for (const [tokenId, its] of groupBy(due, (delivery) => delivery.tokenId))
      underWay.set(tokenId, tellAll(tokenId, its));
  };
  const running = repeat(look, {
    every: lookEvery,
    signal: stopping.signal,
    onError: (error) => log.warn({ error }, 'could not look for webhooks to tell'),
  });
  return async () => {
    stopping.abort();
    await running;
    await Promise.all(underWay.values());
  };
}

/** Never rejects: what fails is told again. */
async function tell(delivery: WebhookDelivery, parts: WebhookParts, stopping: AbortSignal): Promise<void> {
  const { log } = parts;
  const { id, tokenId, workId } = delivery;
  await tellOnce(delivery, parts, stopping).catch((error: unknown) =>
    log.warn({ error, delivery: id, token: tokenId, work: workId }, 'could not note what a webhook was told'),
  );
}

async function tellOnce(
  delivery: WebhookDelivery,
  parts: WebhookParts,
  stopping: AbortSignal,
): Promise<void> {
  const { context, link, secret, origins, log, pauses = PAUSES } = parts;
  const { records } = context;
  const { id, tokenId, workId, webhook, tries } = delivery;
  try {
    const [run, set] = [await records.run(workId), await records.set(workId)];
    // Deleted work, and a place that is no longer allowed, are told nobody.
    if ((run ?? set) !== null && origins.includes(new URL(webhook).origin)) {
      const work = await workJson(run ? { kind: 'run', run } : { kind: 'set', set: set! }, context, link);
      const body = JSON.stringify({ id, type: 'work.ended', work });
      await send(webhook, body, webhookKey(secret, tokenId), stopping);
    }
    await records.markDelivery(id, null);
  } catch (error) {
    // The next start tells it.
    if (stopping.aborted) return;
    const again = tries + 1 < TRIES;
    log.warn({ error, token: tokenId, work: workId, again }, 'a webhook was not told');
    await records.markDelivery(id, again ? pauseAfter(tries + 1, pauses) / 1000 : null);
  }
}

/** @throws KronaError WEBHOOK_REFUSED, or what the network threw */
async function send(url: string, body: string, key: string, stopping: AbortSignal): Promise<void> {
  const seconds = Math.floor(Date.now() / 1000);
  const signature = createHmac('sha256', key).update(`${seconds}.${body}`).digest('hex');
  const request = {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'krona-signature': `t=${seconds},v1=${signature}` },
    body,
    // It could lead into the bot's network.
    redirect: 'manual',
  } as const;
  const response = await onFirstOf([stopping, AbortSignal.timeout(PATIENCE)], (signal) =>
    fetch(url, { ...request, signal }),
  );
  await response.body?.cancel();
  if (!response.ok)
    throw new KronaError('WEBHOOK_REFUSED', `The webhook answered with status ${response.status}.`, {
      retryable: true,
    });
}
