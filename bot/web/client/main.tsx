/** @file The page: sidebar, conversation, composer. */
import { type JSX, render } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Administration } from './administration.tsx';
import { Avatar } from './avatar.tsx';
import { Brush } from './brush.tsx';
import { addFiles, Composer } from './composer.tsx';
import { Conversation } from './conversation.tsx';
import { namesOf } from './format.ts';
import { GalleryPage } from './gallery-page.tsx';
import { MenuIcon, PhotoIcon } from './icons.tsx';
import { GALLERY } from '../protocol.ts';
import { Sidebar } from './sidebar.tsx';
import { addressOf } from './state.ts';
import { store, useStore } from './store.ts';
import { KeyForm, NameForm } from './welcome.tsx';
import './style.css';

function App(): JSX.Element {
  const { phase } = useStore();
  if (phase === 'starting') return <OutageBanner />;
  if (phase === 'keyless') return <KeyForm />;
  return phase === 'nameless' ? <NameForm /> : <Chat />;
}

function Chat(): JSX.Element {
  const { channels, channelId, online, phase, moderator, administering, browsing } = useStore();
  const [menu, setMenu] = useState(false);
  const dropping = useDrop();
  const administers = moderator && administering;
  const name = channels.find((channel) => channel.id === channelId)?.name ?? channelId;
  const late = useLate(!online && phase === 'ready');
  useEffect(() => {
    document.title = administers
      ? 'Administration · Krona'
      : `${browsing ? 'Gallery of ' : ''}#${name} · Krona`;
  }, [name, administers, browsing]);
  return (
    <div
      class={`chat ${menu ? 'menu-open' : ''}`}
      onKeyDown={(event) => {
        if (event.key === 'Escape') setMenu(false);
      }}
    >
      <Sidebar onPick={() => setMenu(false)} />
      <div class="scrim" onClick={() => setMenu(false)} />
      <main>
        <Header name={administers ? null : name} menu={menu} onMenu={() => setMenu(!menu)} />
        {late && (
          <div class="banner" role="status">
            <span class="spinner" aria-hidden="true" /> Connection lost. Reconnecting…
          </div>
        )}
        <OutageBanner />
        {administers ? (
          <Administration />
        ) : browsing ? (
          <GalleryPage key={channelId} channelId={channelId} />
        ) : (
          <>
            <Conversation />
            <Composer />
          </>
        )}
      </main>
      {dropping && <DropHint />}
      <Brush />
    </div>
  );
}

/** What keeps Krona from working. */
function OutageBanner(): JSX.Element | null {
  const { outage } = useStore();
  if (outage === null) return null;
  return (
    <div class="banner" role="status">
      {outage}
    </div>
  );
}

interface HeaderProps {
  /** Of the channel; null on the administrator's page. */
  readonly name: string | null;
  readonly menu: boolean;
  readonly onMenu: () => void;
}

function Header({ name, menu, onMenu }: HeaderProps): JSX.Element {
  const { here, hereCount, me, channelId, browsing } = useStore();
  const names = namesOf(
    here.map((member) => member.name),
    12,
  );
  const count = hereCount > 1 ? `${hereCount} here` : me === null ? '' : 'Only you';
  return (
    <header class="top">
      <button type="button" class="round menu" aria-label="Channels" aria-expanded={menu} onClick={onMenu}>
        <MenuIcon size={20} />
      </button>
      {name === null ? (
        <h2>Administration</h2>
      ) : (
        <>
          <h2>
            <i>#</i> {name}
          </h2>
          <a class="button" href={addressOf(channelId, browsing ? '' : GALLERY)}>
            {browsing ? 'Chat' : 'Gallery'}
          </a>
          <div class="here" title={`Here now: ${names}`}>
            {here.slice(0, 5).map((member) => (
              <Avatar key={member.id} member={member} size={26} />
            ))}
            <span>{count}</span>
          </div>
        </>
      )}
    </header>
  );
}

const DropHint = (): JSX.Element => (
  <div class="drop" aria-hidden="true">
    <div>
      <PhotoIcon size={40} />
      <b>Drop photos here</b>
      <span>They are added to your message. Nothing is sent yet.</span>
    </div>
  </div>
);

/** True once `state` has held for a moment: short interruptions of the connection are not shown. */
function useLate(state: boolean): boolean {
  const [late, setLate] = useState(false);
  useEffect(() => {
    if (!state) {
      setLate(false);
      return;
    }
    const timer = setTimeout(() => setLate(true), 700);
    return () => clearTimeout(timer);
  }, [state]);
  return late;
}

/** Files dragged over the page, and dropped into the message. */
function useDrop(): boolean {
  const [over, setOver] = useState(false);
  const depth = useRef(0);
  useEffect(() => {
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') === true;
    const enter = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth.current++;
      setOver(true);
    };
    const leave = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      depth.current--;
      if (depth.current <= 0) setOver(false);
    };
    const drop = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth.current = 0;
      setOver(false);
      addFiles([...(event.dataTransfer?.files ?? [])]);
    };
    const hover = (event: DragEvent) => {
      if (hasFiles(event)) event.preventDefault();
    };
    const listening = new AbortController();
    const { signal } = listening;
    window.addEventListener('dragenter', enter, { signal });
    window.addEventListener('dragleave', leave, { signal });
    window.addEventListener('dragover', hover, { signal });
    window.addEventListener('drop', drop, { signal });
    return () => listening.abort();
  }, []);
  return over;
}

render(<App />, document.body);
void store.start();
