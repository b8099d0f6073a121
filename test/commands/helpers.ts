/** @file A channel with members who type commands, on the real embedded storage; and photos to give. */
import { randomUUID } from 'node:crypto';
import sharp, { type Sharp } from 'sharp';
import { runAction } from '../../commands/actions.ts';
import type { Card } from '../../commands/card.ts';
import type { Actor, Attachment, CommandContext } from '../../commands/contract.ts';
import { parseCommandLine, runCommand } from '../../commands/index.ts';
import { loadCard } from '../../commands/cards/load-card.ts';
import { recordReaction } from '../../commands/votes/react.ts';
import { KronaError } from '../../core/errors.ts';
import type { Storage } from '../../storage/open.ts';
import type { Adapter, PictureSet, Run } from '../../core/records.ts';
import type { ModelCard } from '../../core/settings/model-card.ts';

/** Widths as SDXL has them, few of them. */
export const MODEL: ModelCard = {
  name: 'sdxl-like',
  architecture: 'sdxl',
  nativeSize: 128,
  sizeMultiple: 8,
  projections: [
    { path: 'down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q', out: 640, in: 640 },
    { path: 'down_blocks.2.attentions.0.transformer_blocks.0.attn1.to_q', out: 1280, in: 1280 },
    { path: 'down_blocks.2.attentions.0.transformer_blocks.0.attn2.to_k', out: 1280, in: 2048 },
    { path: 'down_blocks.2.attentions.0.transformer_blocks.0.attn2.to_out.0', out: 1280, in: 1280 },
  ],
};

export function file(fileName: string, bytes: Uint8Array): Attachment {
  return { fileName, size: bytes.length, read: async () => bytes };
}

/** Repeatable numbers in [0, 1): mulberry32. */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A picture of soft coloured patches; another one for each seed. */
export function scene(seed: number, width = 200, height = 160): Sharp {
  const random = randomNumbers(seed);
  const data = Buffer.from(Array.from({ length: 6 * 5 * 3 }, () => Math.floor(random() * 256)));
  return sharp(data, { raw: { width: 6, height: 5, channels: 3 } }).resize(width, height, {
    fit: 'fill',
    kernel: 'cubic',
  });
}

export async function photo(seed: number, name = `photo-${seed}.png`): Promise<Attachment> {
  return file(name, await scene(seed).png().toBuffer());
}

/** A bar of its own width on yellow, as drawn pictures are: one thing on one colour. */
async function drawnPicture(index: number): Promise<Buffer> {
  const bar = { width: 20 + index, height: 40, channels: 3, background: '#203080' } as const;
  return sharp({ create: { width: 64, height: 64, channels: 3, background: '#f0d020' } })
    .composite([{ input: await sharp({ create: bar }).png().toBuffer() }])
    .png()
    .toBuffer();
}

/** One channel of the web chat; each test has its own. */
export class Room {
  readonly #storage: Storage;
  readonly #id = randomUUID();
  readonly moderators = new Set<string>();
  readonly roles = new Map<string, readonly string[]>();

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  get context(): CommandContext {
    return this.#storage;
  }

  async actor(name: string): Promise<Actor> {
    return {
      channel: await this.#storage.records.channel('web', this.#id, 'test'),
      member: await this.#storage.records.member('web', `${this.#id}/${name}`, name),
      moderator: this.moderators.has(name),
      roles: this.roles.get(name) ?? [],
    };
  }

  /** What a member gets who types a line with files, as a gateway would do it. */
  async say(name: string, line: string, attachments: readonly Attachment[] = []): Promise<Card> {
    const { name: command, action, options } = parseCommandLine(line, attachments.length);
    return runCommand(command, { ...(await this.actor(name)), action, options, attachments }, this.#storage);
  }

  /** As `say`, for lines that must be refused: the message, with the code in front. */
  async refusal(name: string, line: string, attachments: readonly Attachment[] = []): Promise<string> {
    let card: Card;
    try {
      card = await this.say(name, line, attachments);
    } catch (error) {
      if (error instanceof KronaError) return `${error.code}: ${error.message}`;
      throw error;
    }
    if (card.tone !== 'error' || card.audience !== 'caller')
      throw new Error(`not refused: ${JSON.stringify(card)}`);
    return `${card.fields![0]!.value}: ${card.text!.join(' ')}`;
  }

  async press(name: string, action: string): Promise<Card> {
    return runAction(action, await this.actor(name), this.#storage);
  }

  /** The run or set whose card this is. */
  async run(card: Card): Promise<Run> {
    return (await this.#storage.records.run(card.follows!.id))!;
  }

  async set(card: Card): Promise<PictureSet> {
    return (await this.#storage.records.set(card.follows!.id))!;
  }

  /** What the message of a run or set shows now. */
  async card({ follows }: Card): Promise<Card> {
    return loadCard(follows!.kind, follows!.id, this.#storage);
  }

  async react(
    name: string,
    { id: setId }: PictureSet,
    pictureId: string | null,
    emoji: string,
    added = true,
  ) {
    const { member } = await this.actor(name);
    return recordReaction({ setId, pictureId, memberId: member.id, emoji, added }, this.#storage);
  }

  /** Writes what a worker leaves of a run: checkpoints, the final adapter, the end. */
  async finishRun(run: Run, steps: readonly number[] = [run.settings.steps]): Promise<Adapter[]> {
    const { records, blobs } = this.#storage;
    for (const step of steps) {
      const { hash, size } = await blobs.put(Buffer.from(`adapter ${run.id} ${step}`));
      await records.addAdapter({
        id: randomUUID(),
        runId: run.id,
        subjectId: run.subjectId,
        channelId: run.channelId,
        step,
        final: step === steps.at(-1),
        blobHash: hash,
        size,
        settings: run.settings,
      });
    }
    await records.updateRun(run.id, { state: 'done', startedAt: new Date(0), endedAt: new Date(75_000) });
    const adapters = (await records.adapters(run.channelId)).filter((adapter) => adapter.runId === run.id);
    const final = adapters.find((adapter) => adapter.final)!;
    const subject = await records.subject(run.subjectId);
    if (subject!.championId === null)
      await records.changeChampion(
        { id: randomUUID(), subjectId: run.subjectId, adapterId: final.id, cause: 'training' },
        false,
      );
    return adapters.sort((a, b) => a.step - b.step);
  }

  /** Writes what a worker leaves of a set: its pictures, each by an adapter and a prompt of its own if told so. */
  async finishSet(
    set: PictureSet,
    adapterIds: readonly (string | null)[] = [],
    prompts: readonly string[] = [],
  ): Promise<string[]> {
    const { records, blobs } = this.#storage;
    const ids: string[] = [];
    for (let index = 0; index < set.count; index++) {
      const { hash } = await blobs.put(await drawnPicture(index));
      const id = randomUUID();
      const adapterId = adapterIds[index] ?? set.adapterId;
      await records.addPicture({
        id,
        setId: set.id,
        index,
        blobHash: hash,
        width: 128,
        height: 128,
        seed: set.seed + index,
        prompt: prompts[index] ?? null,
        adapterId,
      });
      ids.push(id);
    }
    await records.updateSet(set.id, { state: 'done', endedAt: new Date() });
    return ids;
  }

  /** A subject that has been trained, with its adapters. */
  async trained(name: string, className: string, steps?: readonly number[]): Promise<Adapter[]> {
    const card = await this.say('ann', `/krona train subject:${name} class:${className}`, [await photo(1)]);
    return this.finishRun(await this.run(card), steps);
  }
}
