/** @file Where a message is written: text, photos (picked, pasted, dropped), and help with commands. */
import type { JSX } from 'preact';
import { useRef } from 'preact/hooks';
import { MAX_TEXT } from '../protocol.ts';
import { DraftPhotos } from './draft-photos.tsx';
import { isEmpty, tooLong, withFiles } from './draft.ts';
import { CloseIcon, PhotoIcon, SendIcon } from './icons.tsx';
import { store, useStore } from './store.ts';
import { Suggestions } from './suggestions.tsx';
import { Marked } from './text.tsx';
import { useWriting, type Writing } from './writing.ts';

const PHOTO_TYPES = 'image/png,image/jpeg,image/webp,image/gif,image/avif,image/tiff';

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
    if (files.length > 0) {
      event.preventDefault();
      return addFiles(files);
    }
    const pasted = event.clipboardData?.getData('text') ?? '';
    // Refused as a whole: cut, it would be sent without its end.
    if (draft.text.length + pasted.length <= MAX_TEXT) return;
    event.preventDefault();
    store.set({ notice: tooLong(draft.text + pasted) });
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
          aria-invalid={draft.text.length > MAX_TEXT}
          value={draft.text}
          placeholder={`Message #${name}, or type /`}
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
        <button type="submit" class="round send" aria-label="Send" disabled={!online || isEmpty(draft)}>
          <SendIcon size={20} />
        </button>
      </div>
    </div>
  );
}
