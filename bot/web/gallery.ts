/** @file The gallery of a channel for its page: searched, part by part, with small copies to look at. */
import type { Context } from 'hono';
import * as v from 'valibot';
import { memberNames } from '../../commands/cards/member-names.ts';
import type { CommandContext } from '../../commands/contract.ts';
import { MAX_LIKES, NEWEST, wordsOf } from '../../commands/gallery/search.ts';
import { KronaError } from '../../core/errors.ts';
import { Picture } from '../../core/pictures/picture.ts';
import { RecentMap } from '../../core/recent.ts';
import type { Channel, GalleryPicture, Member } from '../../core/records.ts';
import { brokenOff } from '../broken-off.ts';
import { Lanes } from '../lanes.ts';
import { text } from '../request.ts';
import { GALLERY_PART, type GalleryPart, MAX_SEARCH } from './protocol.ts';
import { pictureName } from './views.ts';

/** Longer side of a small copy, pixels: a tile on a dense screen. */
const SIDE = 360;
/** Small copies kept in memory, some 20 KB each. */
const KEPT = 500;
const A_YEAR = 31_536_000;

const number = v.pipe(text(20), v.regex(/^\d{1,15}$/, 'expected a number'));
const id = v.pipe(text(36), v.regex(/^([0-9a-f-]{36})?$/, 'expected the id of a record'));

/** The query of a search. */
export const GALLERY_QUERY = v.object({
  words: v.optional(text(MAX_SEARCH), ''),
  subject: v.optional(id, ''),
  member: v.optional(id, ''),
  votes: v.optional(number, '0'),
  before: v.optional(number),
});

type Query = v.InferOutput<typeof GALLERY_QUERY>;

export class WebGallery {
  readonly #context: CommandContext;
  readonly #link: (hash: string, fileName: string) => string;
  readonly #small = new RecentMap<string, Promise<Uint8Array<ArrayBuffer>>>(KEPT);
  /**
   * Copies that one member asks for are made one after the other: an enlarged picture has 100 MB, and a page shows forty.
   * Others get their turn in between.
   */
  readonly #copying = new Lanes();
  readonly #searching = new Lanes();

  constructor(context: CommandContext, link: (hash: string, fileName: string) => string) {
    this.#context = context;
    this.#link = link;
  }

  /** A part of what fits. @throws KronaError WORD_INVALID, SEARCH_TOO_LONG */
  async part(channel: Channel, member: Member, query: Query): Promise<GalleryPart> {
    const { records } = this.#context;
    const search = {
      channelId: channel.id,
      words: wordsOf(query.words),
      subjectId: query.subject || null,
      memberId: query.member || null,
      likes: Math.min(MAX_LIKES, Number(query.votes)),
    };
    const before = query.before === undefined ? null : Number(query.before);
    const part = { ...NEWEST, before };
    // All searches wait for each other, those of one member first.
    const found = await this.#searching.run(member.id, () => records.gallery(search, part, GALLERY_PART + 1));
    const pictures = found.slice(0, GALLERY_PART);
    const ids = pictures.map(({ memberId }) => memberId);
    const nameOf = await memberNames(records, ids);
    return {
      pictures: pictures.map((each) => this.#view(each, nameOf(each.memberId))),
      before: found.length > GALLERY_PART ? (pictures.at(-1)?.place ?? null) : null,
    };
  }

  /** What can be searched for. */
  async choices({ id: channelId }: Channel) {
    const { records } = this.#context;
    const names = (all: readonly { readonly id: string; readonly name: string }[]) =>
      all.map(({ id, name }) => ({ id, name }));
    return {
      subjects: names(await records.subjects(channelId)),
      members: names(await records.membersOf(channelId)),
    };
  }

  /**
   * A small copy of a picture that the gallery shows.
   *
   * @throws KronaError PICTURE_GONE, BLOB_NOT_FOUND, REQUEST_BROKEN_OFF
   */
  async small(context: Context, channel: Channel, member: Member, pictureId: string): Promise<Response> {
    const { records } = this.#context;
    const picture = (await records.inGallery(channel.id, pictureId))
      ? await records.picture(pictureId)
      : null;
    if (picture === null) throw new KronaError('PICTURE_GONE', 'This picture was deleted.');
    const hash = picture.blobHash;
    const { signal } = context.req.raw;
    // One that another member waits for has begun: it is never behind what that member asked for before.
    const copy = this.#small.get(hash) ?? this.#copying.run(member.id, () => this.#begun(hash, signal));
    return context.body(await copy, 200, {
      'content-type': 'image/webp',
      'cache-control': `private, immutable, max-age=${A_YEAR}`,
    });
  }

  /** Begins a copy, unless it has begun, or the page that asked for it has gone. */
  #begun(hash: string, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const known = this.#small.get(hash);
    if (known === undefined && signal.aborted) return Promise.reject(brokenOff());
    const copy = known ?? this.#copyOf(hash);
    this.#small.set(hash, copy);
    copy.catch(() => this.#small.delete(hash));
    return copy;
  }

  async #copyOf(hash: string): Promise<Uint8Array<ArrayBuffer>> {
    const picture = await Picture.open(await this.#context.blobs.get(hash), 'The picture');
    const { data } = await picture.render((image) =>
      image
        .resize({ width: SIDE, height: SIDE, fit: 'inside', withoutEnlargement: true })
        .webp({ quality: 82 }),
    );
    return new Uint8Array(data);
  }

  #view(
    { id, blobHash, prompt, likes, width, height }: GalleryPicture,
    memberName: string,
  ): GalleryPart['pictures'][number] {
    return { id, link: this.#link(blobHash, pictureName(prompt)), prompt, memberName, likes, width, height };
  }
}
