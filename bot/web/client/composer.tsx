/** @file Where a message is written: text, photos (picked, pasted, dropped), and help with commands. */
import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { MAX_TEXT } from '../protocol.ts';
import { get } from './api.ts';
import { type Assistance, assist, type Suggestion, valueSuggestions } from './completion.ts';
import { withFiles } from './draft.ts';
import { CloseIcon, PhotoIcon, SendIcon } from './icons.tsx';
import { store, useStore } from './store.ts';
import { Marked } from './text.tsx';

const PHOTO_TYPES = 'image/png,image/jpeg,image/webp,image/gif,image/avif,image/tiff';

/** Puts files into the message being written. */
export function addFiles(files: readonly File[]): void {
  const { draft, notice } = withFiles(store.state.draft, files);
  store.set({ draft, notice });
}

export function Composer(): JSX.Element {
  const { draft, channels, channelId, commands, notice, online } = useStore();
  const area = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const [cursor, setCursor] = useState(0);
  const [chosen, setChosen] = useState<number | null>(null);
  const [closedAt, setClosedAt] = useState<string | null>(null);

  const help = closedAt === draft.text ? null : assist(draft.text, cursor, commands);
  const live = useLiveValues(help, channelId);
  const items = help === null ? [] : help.ask === null ? help.items : live;
  const active =
    chosen !== null && chosen < items.length ? chosen : help?.eager && items.length > 0 ? 0 : null;
  const name = channels.find((channel) => channel.id === channelId)?.name ?? channelId;

  useLayoutEffect(() => {
    const element = area.current!;
    element.style.height = 'auto';
    element.style.height = `${Math.min(element.scrollHeight, 220)}px`;
  }, [draft.text]);
  // A draft that comes from elsewhere (an example, a message to edit) is written on at its end.
  useEffect(() => {
    const element = area.current!;
    if (draft.text === '') return;
    element.focus();
    element.setSelectionRange(draft.text.length, draft.text.length);
    setCursor(draft.text.length);
  }, [draft.id]);

  const write = (text: string, at: number) => {
    store.set({ draft: { ...store.state.draft, text }, notice: null });
    setCursor(at);
    setChosen(null);
    setClosedAt(null);
  };
  const take = (item: Suggestion) => {
    const text = draft.text.slice(0, help!.from) + item.insert + draft.text.slice(cursor).trimStart();
    const at = help!.from + item.insert.length;
    write(text, at);
    requestAnimationFrame(() => {
      area.current?.focus();
      // Whoever typed on meanwhile is past it already.
      if (area.current?.value === text) area.current.setSelectionRange(at, at);
    });
  };
  const submit = () => {
    setCursor(0);
    setChosen(null);
    void store.send();
  };

  const onKey = (event: KeyboardEvent) => {
    if (event.isComposing) return;
    if (items.length > 0 && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) {
      event.preventDefault();
      const step = event.key === 'ArrowDown' ? 1 : -1;
      const start = active ?? (step === 1 ? -1 : items.length);
      setChosen((start + step + items.length) % items.length);
    } else if (event.key === 'Tab' && !event.shiftKey && items.length > 0) {
      event.preventDefault();
      take(items[active ?? 0]!);
    } else if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      if (active !== null) take(items[active]!);
      else submit();
    } else if (event.key === 'Escape' && help !== null) {
      event.preventDefault();
      setClosedAt(draft.text);
    }
  };
  const onPaste = (event: ClipboardEvent) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    addFiles(files);
  };

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      {notice !== null && (
        <div class="notice" role="alert">
          <span>
            <Marked text={notice} />
          </span>
          <button type="button" aria-label="Dismiss" onClick={() => store.set({ notice: null })}>
            <CloseIcon size={16} />
          </button>
        </div>
      )}
      {help !== null && (items.length > 0 || help.command !== null) && (
        <Help help={help} items={items} active={active} onTake={take} onPoint={setChosen} />
      )}
      <div class="box">
        {draft.photos.length > 0 && <Photos />}
        <div class="row">
          <button
            type="button"
            class="round"
            aria-label="Add photos"
            data-tip="Add photos"
            onClick={() => picker.current?.click()}
          >
            <PhotoIcon size={20} />
          </button>
          <textarea
            ref={area}
            rows={1}
            maxLength={MAX_TEXT}
            value={draft.text}
            placeholder={`Message #${name}, or type / for commands`}
            aria-label={`Message #${name}`}
            aria-autocomplete="list"
            aria-haspopup="listbox"
            aria-controls="suggestions"
            aria-activedescendant={active === null ? undefined : `suggestion-${active}`}
            autocomplete="off"
            enterkeyhint="send"
            spellcheck={!draft.text.startsWith('/')}
            onInput={(event) => write(event.currentTarget.value, event.currentTarget.selectionStart)}
            onSelect={(event) => setCursor(event.currentTarget.selectionStart)}
            onKeyDown={onKey}
            onPaste={onPaste}
          />
          <button
            type="submit"
            class="round send"
            aria-label="Send"
            disabled={!online || (draft.text.trim() === '' && draft.photos.length === 0)}
          >
            <SendIcon size={20} />
          </button>
        </div>
      </div>
      <input
        ref={picker}
        id="photo-picker"
        type="file"
        accept={PHOTO_TYPES}
        multiple
        hidden
        onChange={(event) => {
          addFiles([...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = '';
          area.current?.focus();
        }}
      />
    </form>
  );
}

/** The photos of the draft, each removable. */
function Photos(): JSX.Element {
  const { draft } = useStore();
  return (
    <ul class="draft-photos" aria-label="Photos to send">
      {draft.photos.map((photo) => (
        <li key={photo.preview}>
          <Preview name={photo.file.name} link={photo.preview} />
          <button
            type="button"
            aria-label={`Remove ${photo.file.name}`}
            onClick={() => {
              URL.revokeObjectURL(photo.preview);
              store.set({ draft: { ...draft, photos: draft.photos.filter((other) => other !== photo) } });
            }}
          >
            <CloseIcon size={14} />
          </button>
        </li>
      ))}
    </ul>
  );
}

/** A photo, or its name where the browser cannot show it. */
export function Preview({ name, link }: { name: string; link: string | undefined }): JSX.Element {
  const [failed, setFailed] = useState(false);
  if (failed || link === undefined) return <span class="unseen">{name}</span>;
  return <img src={link} alt={name} title={name} onError={() => setFailed(true)} />;
}

interface HelpProps {
  readonly help: Assistance;
  readonly items: readonly Suggestion[];
  readonly active: number | null;
  readonly onTake: (item: Suggestion) => void;
  readonly onPoint: (index: number) => void;
}

function Help({ help, items, active, onTake, onPoint }: HelpProps): JSX.Element {
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => {
    if (active !== null) list.current?.children[active]?.scrollIntoView({ block: 'nearest' });
  }, [active]);
  const { command, option } = help;
  return (
    <div class="help">
      {command !== null && (
        <p class="usage">
          <b>/krona {command.path}</b>
          {command.options.map((each) => (
            <span key={each.name} class={each === option ? 'current' : ''}>
              {each.type === 'photos' ? 'photos…' : each.name}
              {each.required ? '' : '?'}
            </span>
          ))}
          <small>{option?.description ?? command.description}</small>
        </p>
      )}
      <ul ref={list} id="suggestions" role="listbox" aria-label="Suggestions">
        {items.map((item, index) => (
          <li
            key={item.label}
            id={`suggestion-${index}`}
            role="option"
            aria-selected={index === active}
            onPointerMove={() => index !== active && onPoint(index)}
            onPointerDown={(event) => {
              event.preventDefault();
              onTake(item);
            }}
          >
            <b>{item.label}</b>
            <span>{item.detail}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** Suggestions that the bot has for the option being typed. */
function useLiveValues(help: Assistance | null, channelId: string): readonly Suggestion[] {
  const [values, setValues] = useState<readonly Suggestion[]>([]);
  const ask = help?.ask ?? null;
  const query = ask === null ? null : new URLSearchParams({ channel: channelId, ...ask }).toString();
  useEffect(() => {
    setValues([]);
    if (query === null || ask === null) return;
    let current = true;
    const timer = setTimeout(() => {
      get(`/api/complete?${query}`)
        .then((found) => {
          const fitting = (found as string[]).filter((value) => value !== ask.typed);
          if (current) setValues(valueSuggestions(fitting, ask.option, ''));
        })
        .catch(() => undefined);
    }, 80);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [query]);
  return values;
}
