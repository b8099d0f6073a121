/** @file Messages of the fake Discord as a page that looks as its client does (dark, on a computer), to be looked at. */
import { createRequire } from 'node:module';
import type { MessageView } from './views.ts';

const require = createRequire(import.meta.url);
const twemoji = require('@iconify-json/twemoji/icons.json') as { icons: Record<string, { body: string }> };
const names = require('@iconify-json/twemoji/chars.json') as Record<string, string>;

/** Emoji as Discord draws them: as Twemoji, whatever fonts there are. */
const withEmoji = (content: string): string =>
  content.replace(/[0-9]\ufe0f\u20e3|\p{Emoji_Presentation}|\p{Emoji}\ufe0f/gu, (emoji) => {
    const code = [...emoji]
      .map((character) => character.codePointAt(0)!.toString(16).padStart(4, '0'))
      .join('-');
    const icon = twemoji.icons[names[code] ?? names[code.replace('-fe0f', '')] ?? ''];
    return icon ? `<svg class="emoji" viewBox="0 0 36 36">${icon.body}</svg>` : emoji;
  });

interface Component {
  readonly type: number;
  readonly content?: string;
  readonly components?: readonly Component[];
  readonly accent_color?: number;
  readonly items?: readonly {
    readonly media: { readonly url: string };
    readonly description?: string;
    readonly spoiler?: boolean;
  }[];
  readonly file?: { readonly url: string };
  readonly style?: number;
  readonly label?: string;
  readonly placeholder?: string;
}

const html = (text: string): string =>
  text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);

/** The part of Discord's markdown that cards use. */
function markdown(source: string): string {
  const kept: string[] = [];
  const keep = (made: string) => `\u0001${kept.push(made) - 1}\u0001`;
  const inline = source
    .replace(/```\n([^]*?)\n```\n?/g, (_, code: string) => keep(`<pre>${html(code)}</pre>`))
    .replace(/`([^`\n]+)`/g, (_, code: string) => keep(`<code>${html(code)}</code>`))
    .replace(/\\([^0-9A-Za-z\s])/g, (_, plain: string) => keep(html(plain)))
    .replace(/\[([^\]]+)\]\(<([^>]+)>\)/g, (_, label: string, url: string) =>
      keep(`<a href="${html(url)}">${label}</a>`),
    );
  const lines = html(inline)
    .split('\n')
    .map((line) => {
      const bold = line.replace(/\*\*(.+?)\*\*/g, '<b>$1</b>');
      if (bold.startsWith('### ')) return `<h3>${bold.slice(4)}</h3>`;
      if (bold.startsWith('-# ')) return `<small>${bold.slice(3)}</small>`;
      return `<p>${bold}</p>`;
    })
    .join('');
  let shown = lines;
  // What is kept can hold what was kept before it.
  while (shown.includes('\u0001'))
    shown = shown.replace(/\u0001(\d+)\u0001/g, (_, at: string) => kept[Number(at)]!);
  return shown;
}

const STYLES: Readonly<Record<number, string>> = { 1: 'primary', 2: 'secondary', 4: 'danger' };

function component(each: Component, files: MessageView['files']): string {
  const inside = (each.components ?? []).map((child) => component(child, files)).join('');
  switch (each.type) {
    case 1:
      return `<div class="row">${inside}</div>`;
    case 2:
      return `<button class="${STYLES[each.style!]}">${html(each.label!)}</button>`;
    case 3:
      return `<div class="select">${html(each.placeholder!)}<i>⌄</i></div>`;
    case 10:
      return `<div class="text">${markdown(each.content!)}</div>`;
    case 12: {
      const items = each.items!;
      const images = items.map(
        ({ media, description, spoiler }) =>
          `<span class="${spoiler ? 'spoiler' : ''}"><img src="${html(media.url)}" alt="${html(description ?? '')}"></span>`,
      );
      return `<div class="gallery n${items.length === 1 ? 1 : items.length <= 4 ? 2 : 3}">${images.join('')}</div>`;
    }
    case 13: {
      const file = files.find(({ url }) => new URL(url).pathname === new URL(each.file!.url).pathname)!;
      return `<div class="file"><b>📄</b><span><a>${html(file.name)}</a><i>${(file.size / 1024).toFixed(2)} KB</i></span></div>`;
    }
    case 17:
      return `<div class="container" style="border-left-color:#${each.accent_color!.toString(16).padStart(6, '0')}">${inside}</div>`;
    default:
      throw new Error(`this page cannot draw a component ${each.type}`);
  }
}

function message({ raw, reactions, onlyFor, files }: MessageView): string {
  const { author } = raw as { author: { username: string; bot: boolean } };
  const body = (raw['components'] as Component[]).map((each) => component(each, files)).join('');
  const pills = reactions.map(({ emoji, count }) => `<span>${emoji} ${count}</span>`).join('');
  const note =
    onlyFor === null ? '' : '<small class="only">👁️ Only you can see this · <u>Dismiss message</u></small>';
  const badge = author.bot ? '<em>APP</em>' : '';
  return `<article class="${onlyFor === null ? '' : 'mine'}"><div class="face">${author.username[0]!}</div><div class="said">
    <header><b>${html(author.username)}</b>${badge}<time>Today at 12:00</time></header>${body}
    ${pills && `<div class="pills">${pills}</div>`}${note}</div></article>`;
}

const STYLE = `
  * { box-sizing: border-box; margin: 0 }
  body { background: #313338; color: #dbdee1; font: 16px/1.375 "gg sans", "Noto Sans", Helvetica, Arial, sans-serif; width: 680px; padding: 12px 0 }
  article { display: flex; gap: 16px; padding: 8px 16px } article.mine { background: #3c3f56; border-left: 2px solid #5865f2 }
  .face { width: 40px; height: 40px; border-radius: 50%; background: #5865f2; color: #fff; display: grid; place-items: center; font-weight: 700; flex: none }
  header b { color: #f2f3f5 } header em { background: #5865f2; color: #fff; font: 500 10px sans-serif; border-radius: 4px; padding: 2px 4px; margin: 0 6px; vertical-align: 2px } time { font-size: 12px; color: #949ba4; margin-left: 4px }
  .said { flex: 1; min-width: 0 } .container { background: #2b2d31; border: 1px solid #3f4147; border-left: 4px solid; border-radius: 8px; padding: 14px 16px; margin-top: 6px; max-width: 540px; display: grid; gap: 8px }
  h3 { font-size: 18px; color: #f2f3f5; margin-bottom: 2px; overflow-wrap: anywhere } p { min-height: 4px; overflow-wrap: anywhere } small { display: block; font-size: 13px; color: #949ba4; white-space: pre-wrap; overflow-wrap: anywhere }
  code { background: #1e1f22; border-radius: 4px; padding: 1px 4px; font: 14px "DejaVu Sans Mono", monospace } pre { background: #1e1f22; border: 1px solid #232428; border-radius: 4px; padding: 8px; font: 13px/1.3 "DejaVu Sans Mono", monospace; overflow-x: auto }
  .gallery { display: grid; gap: 4px; border-radius: 8px; overflow: hidden } .gallery.n2 { grid-template-columns: 1fr 1fr } .gallery.n3 { grid-template-columns: repeat(3, 1fr) }
  .gallery span { position: relative; overflow: hidden; display: block } .gallery .spoiler img { filter: blur(30px) }
  .gallery .spoiler::after { content: 'SPOILER'; position: absolute; inset: 0; margin: auto; width: 90px; height: 32px; line-height: 32px; text-align: center; border-radius: 20px; background: #000a; color: #fff; font-weight: 700 }
  .gallery img { width: 100%; aspect-ratio: 1; object-fit: cover } .gallery.n1 img { aspect-ratio: auto; max-height: 350px; object-fit: contain; object-position: left }
  .emoji { width: 1.2em; height: 1.2em; vertical-align: -0.22em } .row { display: flex; flex-wrap: wrap; gap: 8px } button { border: 0; border-radius: 8px; color: #fff; background: #4e5058; padding: 0 14px; height: 32px; white-space: nowrap; font: 500 14px sans-serif } button.primary { background: #5865f2 } button.danger { background: #da373c }
  .select { display: flex; justify-content: space-between; width: 100%; background: #1e1f22; border: 1px solid #3f4147; border-radius: 8px; padding: 9px 12px; color: #949ba4; font-size: 15px } .select i { font-style: normal; color: #b5bac1 }
  .file { display: flex; gap: 10px; background: #2b2d31; border: 1px solid #3f4147; border-radius: 8px; padding: 12px; align-items: center } .file b { font-size: 24px } .file i { display: block; font: 12px sans-serif; color: #949ba4 } a { color: #00a8fc; text-decoration: none }
  .pills { display: flex; gap: 4px; margin-top: 6px } .pills span { background: #2b2d31; border: 1px solid #5865f2; border-radius: 8px; padding: 2px 8px; font-size: 14px } .only { margin-top: 6px } u { color: #00a8fc; text-decoration: none }
  .modal { background: #36393f; border-radius: 12px; padding: 24px; width: 500px; margin: 12px auto; display: grid; gap: 16px } .modal h2 { color: #f2f3f5; font-size: 20px } .modal label b { display: block; color: #f2f3f5; font-size: 15px } .modal label b.needed::after { content: " *"; color: #fa777c } .modal label span { font-size: 13px; color: #b5bac1; display: block; margin-bottom: 6px }
  .input { background: #1e1f22; border-radius: 8px; padding: 10px; min-height: 42px } .drop { border: 1px dashed #6d6f78; border-radius: 8px; padding: 20px; text-align: center; color: #b5bac1 } .box { display: flex; gap: 12px } .box i { width: 22px; height: 22px; border: 2px solid #949ba4; border-radius: 4px; flex: none; margin-top: 8px }
  .modal footer { display: grid; grid-template-columns: 1fr 1fr; gap: 8px } .modal footer button { height: 40px }`;

interface FormField {
  readonly label: string;
  readonly description?: string;
  readonly component: {
    readonly type: number;
    readonly required?: boolean;
    readonly value?: string;
    readonly max_values?: number;
    readonly options?: readonly { readonly label: string; readonly description?: string }[];
  };
}

function field({ label, description, component: input }: FormField): string {
  const head = `<b class="${input.required === false ? '' : 'needed'}">${html(label)}</b>${description ? `<span>${html(description)}</span>` : ''}`;
  const body =
    input.type === 19
      ? `<div class="drop">⬆ Drop files here or <a>browse</a><br><small>Upload up to ${input.max_values} files</small></div>`
      : input.type === 22
        ? input
            .options!.map(
              (each) =>
                `<div class="box"><i></i><div>${html(each.label)}<span>${html(each.description ?? '')}</span></div></div>`,
            )
            .join('')
        : `<div class="input">${html(input.value ?? '')}</div>`;
  return `<label>${head}${body}</label>`;
}

/** A form as the client shows it. */
export function formPage(form: { title: string; components: readonly unknown[] }): string {
  const fields = (form.components as FormField[]).map(field).join('');
  return page(
    `<div class="modal"><h2>${html(form.title)}</h2>${fields}<footer><button>Cancel</button><button class="primary">Submit</button></footer></div>`,
  );
}

export const messagesPage = (messages: readonly MessageView[]): string =>
  page(messages.map(message).join(''));

const page = (body: string): string =>
  `<!doctype html><meta charset="utf-8"><style>${STYLE}</style><body>${withEmoji(body)}</body>`;
