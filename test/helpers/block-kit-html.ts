/**
 * @file Block Kit as HTML, roughly as Slack's window draws it: to look at messages without Slack. Only what Krona
 * sends is known; anything else throws, so that no picture leaves something out.
 */
import { createRequire } from 'node:module';
import type { Json } from '../fakes/slack/workspace.ts';

const icons = createRequire(import.meta.url)('@iconify-json/twemoji/icons.json') as {
  readonly icons: Readonly<Record<string, { readonly body: string }>>;
};

/** Slack draws emoji as pictures of its own; here, so do we, as the machine may have no font for them. */
const EMOJI: Readonly<Record<string, string>> = {
  '⏳': 'hourglass-not-done',
  '✅': 'check-mark-button',
  '⚠️': 'warning',
  '❌': 'cross-mark',
  '📎': 'paperclip',
  '🕓': 'four-oclock',
  '👁': 'eye',
  '1️⃣': 'keycap-1',
  '2️⃣': 'keycap-2',
  '3️⃣': 'keycap-3',
  '4️⃣': 'keycap-4',
};

const withEmoji = (html: string): string =>
  Object.entries(EMOJI).reduce((done, [emoji, name]) => {
    const svg = `<svg class="emoji" viewBox="0 0 36 36">${icons.icons[name]!.body}</svg>`;
    return done.replaceAll(emoji, svg);
  }, html);

const escape = (text: string): string =>
  text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);

/** Slack's mrkdwn; its `&`, `<` and `>` are escaped already. */
function mrkdwn(text: string): string {
  return text
    .split(/(```[^]*?```)/)
    .map((part) =>
      part.startsWith('```')
        ? `<pre>${part.slice(3, -3).trim()}</pre>`
        : part
            .replace(/<(https?:[^|>]+)\|([^>]+)>/g, '<a href="#">$2</a>')
            .replace(/<#(\w+)>/g, '<a href="#">#pets</a>')
            .replace(/`([^`\n]+)`/g, '<code>$1</code>')
            .replace(/(^|[\s(])\*([^*\n]+)\*/g, '$1<b>$2</b>')
            .replace(/\n/g, '<br>'),
    )
    .join('');
}

const text = (value: Json): string =>
  value['type'] === 'mrkdwn' ? mrkdwn(String(value['text'])) : escape(String(value['text']));

function button(value: Json): string {
  if (value['type'] === 'static_select') return `<button>${text(value['placeholder'] as Json)} ⌄</button>`;
  return `<button class="${String(value['style'] ?? '')}">${text(value['text'] as Json)}</button>`;
}

function input({ label, element, hint, optional }: Json): string {
  const field = element as Json;
  const chosen = (field['initial_option'] as Json | undefined)?.['text'] as Json | undefined;
  const initial = chosen ? text(chosen) : escape(String(field['initial_value'] ?? ''));
  const placeholder = field['placeholder'] ? `<i>${text(field['placeholder'] as Json)}</i>` : '';
  const shown =
    field['type'] === 'checkboxes'
      ? (field['options'] as Json[])
          .map(
            (each) =>
              `<div class="check"><span class="box"></span><div>${text(each['text'] as Json)}<small>${text(each['description'] as Json)}</small></div></div>`,
          )
          .join('')
      : field['type'] === 'file_input'
        ? `<div class="drop">⬆ Upload files</div>`
        : `<div class="field">${initial || placeholder}${String(field['type']).endsWith('select') ? '<span class="arrow">⌄</span>' : ''}</div>`;
  return `<label>${text(label as Json)}${optional ? ' <span class="optional">(optional)</span>' : ''}</label>${shown}${hint ? `<small>${text(hint as Json)}</small>` : ''}`;
}

/** @param pictures - data addresses by Slack file id */
function block(value: Json, pictures: ReadonlyMap<string, string>): string {
  switch (value['type']) {
    case 'header':
      return `<h3>${text(value['text'] as Json)}</h3>`;
    case 'section': {
      const fields = (value['fields'] as Json[] | undefined) ?? [];
      const own = value['text'] ? `<p>${text(value['text'] as Json)}</p>` : '';
      const beside = value['accessory'] ? button(value['accessory'] as Json) : '';
      return (
        own +
        beside +
        (fields.length > 0
          ? `<div class="fields">${fields.map((each) => `<div>${text(each)}</div>`).join('')}</div>`
          : '')
      );
    }
    case 'context':
      return `<div class="context">${(value['elements'] as Json[]).map(text).join(' ')}</div>`;
    case 'image': {
      const source = pictures.get(String((value['slack_file'] as Json)['id']));
      if (source === undefined) throw new Error('a picture is missing');
      const title = value['title'] ? `<div class="title">${text(value['title'] as Json)} ▾</div>` : '';
      return `${title}<img src="${source}" alt="${escape(String(value['alt_text']))}">`;
    }
    case 'actions':
      return `<div class="actions">${(value['elements'] as Json[]).map(button).join('')}</div>`;
    case 'input':
      return `<div class="input">${input(value)}</div>`;
    default:
      throw new Error(`no drawing of the block ${String(value['type'])}`);
  }
}

const STYLE = `
  * { box-sizing: border-box; }
  body { margin: 0; padding: 18px; width: 760px; background: #fff; color: #1d1c1d; font: 15px/1.47 Lato, "Noto Sans", "DejaVu Sans", sans-serif; }
  .emoji { width: 1.15em; height: 1.15em; vertical-align: -0.2em; }
  body:has(.modal) { width: 556px; }
  .message { display: flex; gap: 10px; }
  .avatar { flex: 0 0 36px; height: 36px; border-radius: 6px; background: #4a2a7a; color: #fff; font-weight: 900; font-size: 20px; display: grid; place-items: center; }
  .body { flex: 1; min-width: 0; }
  .who b { font-weight: 900; margin-right: 6px; } .who .app { background: #ddd; border-radius: 2px; font-size: 10px; padding: 1px 4px; color: #616061; }
  .who time, .only { color: #616061; font-size: 12px; margin-left: 6px; } .only { margin: 0 0 4px; }
  h3 { font-size: 18px; font-weight: 900; margin: 8px 0 6px; } p { margin: 6px 0; }
  .fields { display: grid; grid-template-columns: 1fr 1fr; gap: 6px 16px; margin: 8px 0; }
  .context { color: #616061; font-size: 13px; margin: 8px 0; }
  code { color: #e01e5a; background: #f6f6f6; border: 1px solid #ddd; border-radius: 3px; padding: 1px 3px; font-size: 12px; font-family: "DejaVu Sans Mono", monospace; }
  pre { background: #f6f6f6; border: 1px solid #ddd; border-radius: 4px; padding: 8px; font: 12px/1.5 "DejaVu Sans Mono", monospace; margin: 4px 0; white-space: pre-wrap; }
  .title { font-size: 13px; color: #616061; margin-top: 8px; } img { display: block; max-width: 360px; max-height: 360px; border-radius: 8px; margin: 4px 0 8px; }
  .actions { display: flex; flex-wrap: wrap; gap: 8px; margin: 10px 0 4px; }
  button { font: bold 13px inherit; font-family: inherit; padding: 5px 12px; border-radius: 4px; border: 1px solid #bbb; background: #fff; color: #1d1c1d; }
  button.primary { background: #007a5a; border-color: #007a5a; color: #fff; } button.danger { border-color: #e01e5a; color: #e01e5a; }
  .reactions { display: flex; gap: 4px; margin-top: 6px; } .reactions span { background: #f0f0f0; border-radius: 12px; padding: 1px 8px; font-size: 13px; }
  a { color: #1264a3; text-decoration: none; }
  .modal { width: 520px; border-radius: 8px; border: 1px solid #ccc; box-shadow: 0 8px 30px #0002; padding: 20px 24px; }
  .modal h2 { margin: 0 0 12px; font-size: 22px; font-weight: 900; } .input { margin: 14px 0; } label { font-weight: 700; display: block; margin-bottom: 4px; }
  .optional { color: #616061; font-weight: 400; } .field { border: 1px solid #868686; border-radius: 4px; padding: 7px 12px; min-height: 38px; position: relative; } .field i { color: #868686; font-style: normal; }
  .arrow { position: absolute; right: 12px; } small { display: block; color: #616061; font-size: 12px; margin-top: 3px; } .check { display: flex; gap: 8px; } .box { flex: 0 0 16px; height: 16px; border: 1px solid #868686; border-radius: 3px; margin-top: 3px; }
  .drop { border: 1px dashed #868686; border-radius: 4px; padding: 12px; text-align: center; color: #1264a3; font-weight: 700; } .foot { display: flex; justify-content: flex-end; gap: 8px; margin-top: 16px; }
`;

const SHOWN: Readonly<Record<string, string>> = {
  one: '1️⃣',
  two: '2️⃣',
  three: '3️⃣',
  four: '4️⃣',
  heart: '❤️',
};

const page = (body: string): string =>
  `<!doctype html><html lang="en"><meta charset="utf-8"><style>${STYLE}</style><body>${withEmoji(body)}</body></html>`;

export interface Drawn {
  readonly blocks: readonly Json[];
  readonly reactions?: readonly { readonly name: string; readonly users: readonly string[] }[];
  /** Only one person sees it. */
  readonly whispered?: boolean;
}

export function messageHtml(
  { blocks, reactions = [], whispered }: Drawn,
  pictures: ReadonlyMap<string, string>,
): string {
  const chips = reactions
    .map(({ name, users }) => `<span>${SHOWN[name] ?? `:${name}:`} ${users.length}</span>`)
    .join('');
  return page(
    `<div class="message"><div class="avatar">K</div><div class="body">${whispered ? '<div class="only">👁 Only visible to you</div>' : ''}` +
      `<div class="who"><b>krona</b><span class="app">APP</span><time>10:24 AM</time></div>${blocks.map((each) => block(each, pictures)).join('')}` +
      `${chips ? `<div class="reactions">${chips}</div>` : ''}</div></div>`,
  );
}

export function viewHtml(view: Json, pictures: ReadonlyMap<string, string>): string {
  const body = (view['blocks'] as Json[]).map((each) => block(each, pictures)).join('');
  if (view['type'] === 'home') return page(body);
  const foot = `<div class="foot"><button>${text(view['close'] as Json)}</button><button class="primary">${text(view['submit'] as Json)}</button></div>`;
  return page(`<div class="modal"><h2>${text(view['title'] as Json)}</h2>${body}${foot}</div>`);
}
