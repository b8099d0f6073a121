/** @file Channels, the member's own name, and the switch between light and dark. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { MAX_NAME } from '../protocol.ts';
import { messageOf } from './api.ts';
import { Avatar } from './avatar.tsx';
import { Mark, MoonIcon, PlusIcon, SunIcon } from './icons.tsx';
import { Moderation } from './moderation.tsx';
import { addressOf } from './state.ts';
import { store, useStore } from './store.ts';
import { isDark, toggleTheme } from './theme.ts';

export function Sidebar({ onPick }: { onPick: () => void }): JSX.Element {
  const { channels, channelId, unread, administering } = useStore();
  const [adding, setAdding] = useState(false);
  return (
    <nav class="sidebar" aria-label="Channels">
      <h1>
        <Mark size={24} /> Krona
      </h1>
      <div class="sidebar-head">
        <h2>Channels</h2>
        <button
          type="button"
          class="round small"
          aria-label="Add a channel"
          data-tip="Add a channel"
          onClick={() => setAdding(!adding)}
        >
          <PlusIcon size={16} />
        </button>
      </div>
      <ul>
        {channels.map((channel) => (
          <li key={channel.id}>
            <a
              href={addressOf(channel.id)}
              class={unread.has(channel.id) ? 'unread' : ''}
              aria-current={channel.id === channelId && !administering ? 'page' : undefined}
              onClick={onPick}
            >
              <i>#</i> {channel.name}
              {unread.has(channel.id) && <span class="badge" aria-label="new messages" />}
            </a>
          </li>
        ))}
      </ul>
      {adding && (
        <OneLineForm
          label="Channel name"
          value=""
          onDone={() => setAdding(false)}
          save={async (name) => {
            await store.addChannel(name);
            onPick();
          }}
        />
      )}
      <Moderation onPick={onPick} />
      <Me />
    </nav>
  );
}

function Me(): JSX.Element | null {
  const { me, online } = useStore();
  const [renaming, setRenaming] = useState(false);
  const [dark, setDark] = useState(isDark());
  if (me === null) return null;
  return (
    <footer class="me">
      {renaming ? (
        <OneLineForm
          label="Your name"
          value={me.name}
          onDone={() => setRenaming(false)}
          save={(name) => store.rename(name)}
        />
      ) : (
        <button type="button" class="name" data-tip="Change your name" onClick={() => setRenaming(true)}>
          <Avatar member={me} size={32} />
          <span>
            <b>{me.name}</b>
            <small>
              <i class={online ? 'light on' : 'light'} /> {online ? 'Connected' : 'Offline'}
            </small>
          </span>
        </button>
      )}
      <button
        type="button"
        class="round"
        aria-label={dark ? 'Light theme' : 'Dark theme'}
        data-tip={dark ? 'Light theme' : 'Dark theme'}
        onClick={() => setDark(toggleTheme())}
      >
        {dark ? <SunIcon /> : <MoonIcon />}
      </button>
    </footer>
  );
}

interface OneLineFormProps {
  readonly label: string;
  readonly value: string;
  readonly save: (value: string) => Promise<void>;
  readonly onDone: () => void;
}

function OneLineForm({ label, value, save, onDone }: OneLineFormProps): JSX.Element {
  const [text, setText] = useState(value);
  const [error, setError] = useState<string | null>(null);
  return (
    <form
      class="one-line"
      onSubmit={(event) => {
        event.preventDefault();
        save(text)
          .then(onDone)
          .catch((failure: unknown) => setError(messageOf(failure)));
      }}
    >
      <input
        value={text}
        maxLength={MAX_NAME}
        autofocus
        aria-label={label}
        placeholder={label}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') onDone();
        }}
      />
      {error !== null && (
        <small class="failed" role="alert">
          {error}
        </small>
      )}
    </form>
  );
}
