/** @file Where a message is written: text, photos (picked, pasted, dropped), and help with commands. */
import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { MAX_TEXT } from '../protocol.ts';
import { type Assistance, assist, type Suggestion } from './completion.ts';
import { DraftPhotos } from './draft-photos.tsx';
import { withFiles } from './draft.ts';
import { CloseIcon, PhotoIcon, SendIcon } from './icons.tsx';
import { store, useStore } from './store.ts';
import { Suggestions, useLiveValues } from './suggestions.tsx';
import { Marked } from './text.tsx';

const PHOTO_TYPES = 'image/png,image/jpeg,image/webp,image/gif,image/avif,image/tiff';
/** The highest that the text box grows, pixels. */
const HIGHEST = 220;

/** Puts files into the message being written. */
export function addFiles(files: readonly File[]): void {
  const { draft, notice } = withFiles(store.state.draft, files);
  store.set({ draft, notice });
}

export function Composer(): JSX.Element {
  const writing = useWriting();
  const { help, items, active, submit, take, point } = writing;
  const picker = useRef<HTMLInputElement>(null);
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <Notice />
      {help !== null && (items.length > 0 || help.command !== null) && (
        <Suggestions help={help} items={items} active={active} onTake={take} onPoint={point} />
      )}
      <MessageBox writing={writing} onPick={() => picker.current?.click()} />
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
          writing.area.current?.focus();
        }}
      />
    </form>
  );
}

/** What went wrong with the last message. */
function Notice(): JSX.Element | null {
  const { notice } = useStore();
  if (notice === null) return null;
  return (
    <div class="notice" role="alert">
      <span>
        <Marked text={notice} />
      </span>
      <button type="button" aria-label="Dismiss" onClick={() => store.set({ notice: null })}>
        <CloseIcon size={16} />
      </button>
    </div>
  );
}

function MessageBox({ writing, onPick }: { writing: Writing; onPick: () => void }): JSX.Element {
  const { draft, channels, channelId, online } = useStore();
  const name = channels.find((channel) => channel.id === channelId)?.name ?? channelId;
  const { area, active, write, setCursor, onKey } = writing;
  const onPaste = (event: ClipboardEvent) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    addFiles(files);
  };
  return (
    <div class="box">
      {draft.photos.length > 0 && <DraftPhotos />}
      <div class="row">
        <button type="button" class="round" aria-label="Add photos" data-tip="Add photos" onClick={onPick}>
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
          onInput={({ currentTarget }) => write(currentTarget.value, currentTarget.selectionStart)}
          onSelect={({ currentTarget }) => setCursor(currentTarget.selectionStart)}
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
  );
}

interface Writing {
  readonly area: { readonly current: HTMLTextAreaElement | null };
  readonly help: Assistance | null;
  readonly items: readonly Suggestion[];
  /** The suggestion that Tab or Enter takes. */
  readonly active: number | null;
  readonly write: (text: string, cursor: number) => void;
  readonly setCursor: (cursor: number) => void;
  readonly take: (item: Suggestion) => void;
  readonly point: (index: number) => void;
  readonly submit: () => void;
  readonly onKey: (event: KeyboardEvent) => void;
}

/** The text box: its draft, its cursor, and the suggestions for what is typed there. */
function useWriting(): Writing {
  const { draft, channelId, commands } = useStore();
  const area = useRef<HTMLTextAreaElement>(null);
  const [cursor, setCursor] = useState(0);
  const [chosen, setChosen] = useState<number | null>(null);
  const [closedAt, setClosedAt] = useState<string | null>(null);
  useBox(area, setCursor);

  const help = closedAt === draft.text ? null : assist(draft.text, cursor, commands);
  const live = useLiveValues(help, channelId);
  const items = help === null ? [] : help.ask === null ? help.items : live;
  const first = help?.eager && items.length > 0 ? 0 : null;
  const active = chosen !== null && chosen < items.length ? chosen : first;

  const write = (text: string, at: number) => {
    store.set({ draft: { ...store.state.draft, text }, notice: null });
    setCursor(at);
    setChosen(null);
    setClosedAt(null);
  };
  const take = ({ insert }: Suggestion) => {
    if (help === null) return;
    const text = draft.text.slice(0, help.from) + insert + draft.text.slice(cursor).trimStart();
    const at = help.from + insert.length;
    write(text, at);
    requestAnimationFrame(() => {
      area.current?.focus();
      // A member who typed on in the meantime is past it already.
      if (area.current?.value === text) area.current.setSelectionRange(at, at);
    });
  };
  const submit = () => {
    setCursor(0);
    setChosen(null);
    void store.send();
  };
  const keys: Record<string, (() => void) | undefined> = {
    ArrowDown: items.length > 0 ? () => setChosen(((active ?? -1) + 1) % items.length) : undefined,
    ArrowUp:
      items.length > 0
        ? () => setChosen(((active ?? items.length) - 1 + items.length) % items.length)
        : undefined,
    Tab: taking(items[active ?? 0]),
    Enter: taking(active === null ? undefined : items[active]) ?? submit,
    Escape: help === null ? undefined : () => setClosedAt(draft.text),
  };
  const onKey = (event: KeyboardEvent) => {
    const act = event.isComposing || event.shiftKey ? undefined : keys[event.key];
    if (act === undefined) return;
    event.preventDefault();
    act();
  };
  return { area, help, items, active, write, setCursor, take, point: setChosen, submit, onKey };

  function taking(item: Suggestion | undefined): (() => void) | undefined {
    return item && (() => take(item));
  }
}

/** Lets the text box grow with its text, and takes up a draft from elsewhere at its end. */
function useBox(area: Writing['area'], setCursor: (cursor: number) => void): void {
  const { draft } = useStore();
  useLayoutEffect(() => {
    const element = area.current;
    if (element === null) return;
    element.style.height = 'auto';
    element.style.height = `${Math.min(element.scrollHeight, HIGHEST)}px`;
  }, [draft.text]);
  useEffect(() => {
    if (draft.text === '') return;
    area.current?.focus();
    area.current?.setSelectionRange(draft.text.length, draft.text.length);
    setCursor(draft.text.length);
  }, [draft.id]);
}
