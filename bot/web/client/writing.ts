/** @file The text box: its draft, its cursor, its keys, and the suggestions for what is typed there. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { type Assistance, assist, type Suggestion } from './completion.ts';
import { store, useStore } from './store.ts';
import { useLiveValues } from './suggestions.tsx';

/** The highest that the text box grows, pixels. */
const HIGHEST = 220;

export interface Writing {
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

export function useWriting(): Writing {
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
