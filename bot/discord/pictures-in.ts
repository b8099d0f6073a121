/** @file The pictures of a message that a member chose in its menu: attached, or in a gallery as Krona shows its own. */
import type { Attachment, Message } from 'discord.js';

type PictureFile = Pick<Attachment, 'name' | 'size' | 'url'>;

export function picturesIn({
  attachments,
  components,
}: Pick<Message, 'attachments' | 'components'>): PictureFile[] {
  const attached = [...attachments.values()].filter(
    ({ contentType, name }) =>
      contentType?.startsWith('image/') ?? /\.(?:png|jpe?g|webp|gif|avif|tiff?)$/i.test(name),
  );
  return attached.length > 0 ? attached : galleries(components.map((component) => component.toJSON()));
}

/** Every medium in components, whatever they stand in. */
function galleries(value: unknown): PictureFile[] {
  if (Array.isArray(value)) return value.flatMap(galleries);
  if (typeof value !== 'object' || value === null) return [];
  const url = urlOf(value);
  if (url !== null) {
    const name = URL.canParse(url) ? (new URL(url).pathname.split('/').at(-1) ?? '') : '';
    // The size is not told; it counts when the file is read.
    return [{ name: name || 'picture', size: 0, url }];
  }
  return Object.values(value).flatMap(galleries);
}

/** The address of a medium in a gallery. */
function urlOf(value: object): string | null {
  const media: unknown = 'media' in value ? value.media : null;
  const url: unknown = typeof media === 'object' && media !== null && 'url' in media ? media.url : null;
  return typeof url === 'string' ? url : null;
}
