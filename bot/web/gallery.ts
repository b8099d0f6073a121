/** @file The gallery of a channel for its page: searched, part by part, with small copies to look at. */
import type { Context } from 'hono';
import * as v from 'valibot';
import { memberNames } from '../../commands/cards/member-names.ts';
import type { CommandContext } from '../../commands/contract.ts';
import { MAX_LIKES, NEWEST, wordsOf } from '../../commands/gallery/search.ts';
import { KronaError } from '../../core/errors.ts';
import { Picture } from '../../core/pictures/picture.ts';
import { RecentMap } from '../../core/recent.ts';
import type { Channel, GalleryPicture } from '../../core/records.ts';
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

export class WebGallery {
  readonly #context: CommandContext;
  readonly #link: (hash: string, fileName: string) => string;
  readonly #small = new RecentMap<string, Promise<Uint8Array<ArrayBuffer>>>(KEPT);

  constructor(context: CommandContext, link: (hash: string, fileName: string) => string) {
    this.#context = context;
    this.#link = link;
  }

  /** A part of what fits. @throws KronaError WORD_INVALID */
  async part(channel: Channel, query: v.InferOutput<typeof GALLERY_QUERY>): Promise<GalleryPart> {
    const { records } = this.#context;
    const search = {
      channelId: channel.id,
      words: wordsOf(query.words),
      subjectId: query.subject || null,
      memberId: query.member || null,
      likes: Math.min(MAX_LIKES, Number(query.votes)),
    };
    const before = query.before === undefined ? null : Number(query.before);
    const found = await records.gallery(search, { ...NEWEST, before }, GALLERY_PART + 1);
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

  /** A small copy of a picture that the gallery shows. @throws KronaError PICTURE_GONE, BLOB_NOT_FOUND */
  async small(context: Context, channel: Channel, pictureId: string): Promise<Response> {
    const { records } = this.#context;
    const picture = (await records.inGallery(channel.id, pictureId))
      ? await records.picture(pictureId)
      : null;
    if (picture === null) throw new KronaError('PICTURE_GONE', 'This picture was deleted.');
    const hash = picture.blobHash;
    const copy = this.#small.get(hash) ?? this.#copyOf(hash);
    this.#small.set(hash, copy);
    copy.catch(() => this.#small.delete(hash));
    return context.body(await copy, 200, {
      'content-type': 'image/webp',
      'cache-control': `private, immutable, max-age=${A_YEAR}`,
    });
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
