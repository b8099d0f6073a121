/** @file Records as the page shows them: lines with names, links and standing reactions. */
import { foldEmoji } from '../../core/votes/emoji.ts';
import type { Card } from '../../commands/card.ts';
import { groupBy } from '../../core/group.ts';
import { signLink } from '../../storage/links.ts';
import type { Channel, ChatLine, Member, VoteFact } from '../../core/records.ts';
import type { RecordStore } from '../../storage/records.ts';
import { linkExpiry } from '../files.ts';
import type { LineBody, LineView, MemberView, PictureVotes } from './protocol.ts';

/** A file name that says what a picture shows. */
export const pictureName = (alt: string): string =>
  `${
    alt
      .toLowerCase()
      .replace(/[^\p{L}\p{N}]+/gu, '-')
      .replace(/^-|-$/g, '')
      .slice(0, 60) || 'picture'
  }.png`;

type Members = ReadonlyMap<string, MemberView>;

const bodyOf = ({ body }: ChatLine): LineBody => (body ?? { kind: 'gone' }) as LineBody;

/** The set that a line is a vote on. */
const votedSet = (body: LineBody): string | undefined =>
  body.kind === 'card' ? body.card.votesOn : undefined;

/** The reactions of which the last fact is no removal. */
function standing(facts: readonly VoteFact[], members: Members): PictureVotes[] {
  const chips = new Map<string, { pictureId: string; emoji: string; members: Map<string, MemberView> }>();
  for (const { pictureId, memberId, emoji, added } of facts) {
    const key = `${pictureId} ${foldEmoji(emoji)}`;
    const chip = chips.get(key) ?? {
      pictureId,
      emoji: foldEmoji(emoji),
      members: new Map<string, MemberView>(),
    };
    chips.set(key, chip);
    if (added) chip.members.set(memberId, members.get(memberId) ?? { id: memberId, name: 'Somebody' });
    else chip.members.delete(memberId);
  }
  return [...chips.values()]
    .filter((chip) => chip.members.size > 0)
    .map((chip) => ({ ...chip, members: [...chip.members.values()] }));
}

export class ConversationViews {
  readonly #records: RecordStore;
  readonly #secret: string;
  /** Lines that this process is answering now. */
  readonly #beingAnswered: ReadonlySet<string>;

  constructor(records: RecordStore, secret: string, beingAnswered: ReadonlySet<string>) {
    this.#records = records;
    this.#secret = secret;
    this.#beingAnswered = beingAnswered;
  }

  /** Lines by rising revision. */
  async lines(channel: Channel, since: number, limit: number): Promise<LineView[]> {
    return this.#shown(await this.#records.lines(channel.id, since, limit));
  }

  /** The last lines before a place (null: the newest), in their order. */
  async linesBefore(channel: Channel, place: number | null, limit: number): Promise<LineView[]> {
    return this.#shown(await this.#records.linesBefore(channel.id, place, limit));
  }

  async #shown(lines: readonly ChatLine[]): Promise<LineView[]> {
    const authors = lines.flatMap(({ memberId }) => (memberId === null ? [] : [memberId]));
    const members = await this.#members(authors);
    const votes = await this.#votesOn(lines.flatMap((line) => votedSet(bodyOf(line)) ?? []));
    return lines.map((line) => this.#line(line, members, votes));
  }

  /** The revision of the line that changed last, 0 for an empty channel. */
  async newestRevision(channel: Channel): Promise<number> {
    return (await this.#records.lines(channel.id, 0, 1))[0]?.revision ?? 0;
  }

  /** The reactions standing on a set's pictures, in the order in which they were first given. */
  async votes(setId: string): Promise<PictureVotes[]> {
    return (await this.#votesOn([setId])).get(setId) ?? [];
  }

  /** The reactions on sets, by set: read together, as a page of lines has many. */
  async #votesOn(setIds: readonly string[]): Promise<ReadonlyMap<string, PictureVotes[]>> {
    const facts = setIds.length === 0 ? [] : await this.#records.voteFacts(...setIds);
    const members = await this.#members(facts.map(({ memberId }) => memberId));
    const ofSets = groupBy(facts, ({ setId }) => setId);
    return new Map([...ofSets].map(([setId, its]) => [setId, standing(its, members)]));
  }

  /** Links of all blobs that a card names. */
  cardLinks(card: Card): Record<string, string> {
    const links: Record<string, string> = {};
    for (const { blobHash, alt } of card.pictures ?? [])
      links[blobHash] = this.link(blobHash, pictureName(alt));
    for (const { blobHash, name } of card.files ?? []) links[blobHash] = this.link(blobHash, name);
    return links;
  }

  link(hash: string, fileName: string): string {
    return signLink(this.#secret, { hash, fileName, expiresAt: linkExpiry() });
  }

  #line(line: ChatLine, members: Members, votes: ReadonlyMap<string, PictureVotes[]>): LineView {
    const body = bodyOf(line);
    const setId = votedSet(body);
    return {
      id: line.id,
      revision: line.revision,
      place: line.place,
      at: line.createdAt.getTime(),
      member:
        line.memberId === null
          ? null
          : (members.get(line.memberId) ?? { id: line.memberId, name: 'Somebody' }),
      body,
      links: this.#linksOf(body),
      ...(setId === undefined ? {} : { votes: votes.get(setId) ?? [] }),
      ...(body.kind === 'said' && body.state === 'open' && !this.#beingAnswered.has(line.id)
        ? { interrupted: true }
        : {}),
    };
  }

  #linksOf(body: LineBody): Record<string, string> {
    if (body.kind === 'card') return this.cardLinks(body.card);
    if (body.kind === 'gone') return {};
    return Object.fromEntries(
      body.photos.flatMap(({ thumb }) => (thumb === null ? [] : [[thumb, this.link(thumb, 'photo.webp')]])),
    );
  }

  async #members(ids: readonly string[]): Promise<Map<string, MemberView>> {
    const unique = [...new Set(ids)];
    const members: Member[] = unique.length === 0 ? [] : await this.#records.members(unique);
    return new Map(members.map(({ id, name }) => [id, { id, name }]));
  }
}
