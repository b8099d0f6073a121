/** @file A message as somebody sees it, for tests: words, pictures, buttons and reactions instead of components. */
import { ComponentType } from 'discord-api-types/v10';
import { choicesOf, flat, isButton, type Message, type Platform } from './platform.ts';

export interface MessageView {
  readonly id: string;
  readonly authorId: string;
  readonly onlyFor: string | null;
  /** All texts, as markdown without the backslashes that a client drops. */
  readonly text: string;
  readonly buttons: readonly { readonly label: string; readonly style: number; readonly customId: string }[];
  /** What can be chosen from its lists. */
  readonly choices: readonly string[];
  readonly pictures: readonly { readonly url: string; readonly alt: string | null }[];
  readonly files: readonly { readonly url: string; readonly name: string; readonly size: number }[];
  readonly reactions: readonly { readonly emoji: string; readonly count: number }[];
  /** Of the container, null without. */
  readonly colour: number | null;
  /** How many states it has been shown in. */
  readonly shown: number;
  /** As the platform tells it to clients. */
  readonly raw: Record<string, unknown>;
}

export function viewMessage(platform: Platform, message: Message): MessageView {
  const raw = platform.messageData(message, { handedOver: true }) as Record<string, unknown>;
  const components = flat(raw['components'] as unknown[]);
  const texts = components.filter(({ type }) => type === ComponentType.TextDisplay);
  const galleries = components.filter(({ type }) => type === ComponentType.MediaGallery);
  const container = components.find(({ type }) => type === ComponentType.Container);
  const shownFiles = components.filter(({ type }) => type === ComponentType.File);
  return {
    id: message.id,
    authorId: message.authorId,
    onlyFor: message.onlyFor,
    text: texts.map(({ content }) => String(content).replace(/\\([^0-9A-Za-z\s])/g, '$1')).join('\n'),
    buttons: components.filter(isButton).map(({ label, style, custom_id: id }) => ({
      label: String(label),
      style: Number(style),
      customId: String(id),
    })),
    choices: choicesOf(components).map(({ label }) => label),
    pictures: galleries.flatMap(({ items }) =>
      (items as { media: { url: string }; description?: string }[]).map(({ media, description }) => ({
        url: media.url,
        alt: description ?? null,
      })),
    ),
    files: shownFiles.map(({ file }) => {
      const { url } = file as { url: string };
      const stored = platform.files.get(new URL(url).pathname)!;
      return { url, name: stored.filename, size: stored.bytes.length };
    }),
    reactions: message.reactions.map(({ emoji, users, super: supers }) => ({
      emoji,
      count: users.size + supers.size,
    })),
    colour: container === undefined ? null : Number(container['accent_color']),
    shown: message.shown,
    raw,
  };
}
