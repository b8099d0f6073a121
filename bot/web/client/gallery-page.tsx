/** @file The gallery of a channel: searched, and longer the further it is scrolled. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { GalleryView } from '../protocol.ts';
import { MAX_SEARCH } from '../protocol.ts';
import { answerOf, api, inChannel, messageOf } from './api.ts';
import { Lightbox } from './lightbox.tsx';
import './gallery-page.css';

interface Search {
  readonly words: string;
  readonly subject: string;
  readonly member: string;
  readonly votes: string;
}

interface Choice {
  readonly id: string;
  readonly name: string;
}

const ALL: Search = { words: '', subject: '', member: '', votes: '0' };
/** A pause in typing that begins a search, ms. */
const TYPED = 250;
/** How far below the window the next part is fetched already. */
const AHEAD = '800px';

export function GalleryPage({ channelId }: { channelId: string }): JSX.Element {
  const [search, setSearch] = useState(ALL);
  const [open, setOpen] = useState<number | null>(null);
  const { pictures, done, error, more, again } = useParts(channelId, search);
  const searches = Object.values(search).some((value) => value !== '' && value !== '0');
  const end = useSeen(more, pictures.length);
  return (
    <div class="gallery-page" tabIndex={0} role="region" aria-label="Gallery">
      <Filters
        channelId={channelId}
        search={search}
        onChange={(change) => setSearch((before) => ({ ...before, ...change }))}
      />
      {error !== null && (
        <p class="failed" role="alert">
          {error}{' '}
          <button type="button" class="link" onClick={again}>
            Try again
          </button>
        </p>
      )}
      {done && pictures.length === 0 && (
        <p class="quiet" role="status">
          {searches ? 'No picture fits. Search for fewer words.' : 'There are no pictures yet.'}
        </p>
      )}
      <ul class="shelf" aria-busy={!done}>
        {pictures.map((picture, index) => (
          <Shelved key={picture.id} channelId={channelId} picture={picture} onOpen={() => setOpen(index)} />
        ))}
      </ul>
      {!done && error === null && (
        <p ref={end} class="quiet">
          Loading…
        </p>
      )}
      {open !== null && (
        <Enlarged pictures={pictures} index={open} onIndex={setOpen} onClose={() => setOpen(null)} />
      )}
    </div>
  );
}

interface FiltersProps {
  readonly channelId: string;
  readonly search: Search;
  readonly onChange: (change: Partial<Search>) => void;
}

function Filters({ channelId, search, onChange }: FiltersProps): JSX.Element {
  const [choices, setChoices] = useState<Readonly<Record<'subjects' | 'members', readonly Choice[]>>>({
    subjects: [],
    members: [],
  });
  const typing = useRef(0);
  useEffect(() => {
    answerOf(api.channels[':channel'].gallery.choices.$get(inChannel(channelId)))
      .then(setChoices)
      .catch(() => undefined);
  }, [channelId]);
  const select = (key: 'subject' | 'member' | 'votes', label: string, of: readonly Choice[]) => (
    <select
      aria-label={label}
      value={search[key]}
      onChange={({ currentTarget }) => onChange({ [key]: currentTarget.value })}
    >
      {of.map(({ id, name }) => (
        <option key={id} value={id}>
          {name}
        </option>
      ))}
    </select>
  );
  return (
    <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <input
        type="search"
        aria-label="Words of the prompt"
        placeholder="Words of the prompt"
        maxLength={MAX_SEARCH}
        onInput={({ currentTarget: { value } }) => {
          window.clearTimeout(typing.current);
          typing.current = window.setTimeout(() => onChange({ words: value }), TYPED);
        }}
      />
      {select('subject', 'Subject', [{ id: '', name: 'All subjects' }, ...choices.subjects])}
      {select('member', 'Asked for by', [{ id: '', name: 'All members' }, ...choices.members])}
      {select('votes', 'Votes', [
        { id: '0', name: 'Any votes' },
        ...[1, 2, 3, 5].map((n) => ({
          id: String(n),
          name: n === 1 ? '1 vote or more' : `${n} votes or more`,
        })),
      ])}
    </form>
  );
}

/** What fits so far, and how to get more of it. */
function useParts(channelId: string, search: Search) {
  const [pictures, setPictures] = useState<readonly GalleryView[]>([]);
  const [done, setDone] = useState(false);
  const [error, setError] = useState<string | null>(null);
  /** Where the next part begins, in the search that it belongs to; null while one is on its way. */
  const next = useRef<{ readonly before: number | undefined } | null>(null);
  /** Where the part begins that could not be fetched. */
  const failed = useRef<number | undefined>(undefined);
  const current = useRef(0);
  const fetchPart = (of: number, before: number | undefined, sofar: readonly GalleryView[]) => {
    next.current = null;
    const query = { ...search, ...(before !== undefined && { before: String(before) }) };
    answerOf(api.channels[':channel'].gallery.$get({ ...inChannel(channelId), query }))
      .then((part) => {
        if (current.current !== of) return;
        setError(null);
        setPictures([...sofar, ...part.pictures]);
        setDone(part.before === null);
        next.current = part.before === null ? null : { before: part.before };
      })
      .catch((failure: unknown) => {
        if (current.current !== of) return;
        setError(messageOf(failure));
        failed.current = before;
      });
  };
  useEffect(() => {
    const of = ++current.current;
    setPictures([]);
    setDone(false);
    setError(null);
    fetchPart(of, undefined, []);
  }, [channelId, search]);
  const more = () => {
    const place = next.current;
    if (place !== null) fetchPart(current.current, place.before, pictures);
  };
  const again = () => {
    setError(null);
    fetchPart(current.current, failed.current, pictures);
  };
  return { pictures, done, error, more, again };
}

/** Calls `onSeen` when an element comes near the window, and again after each change of `count` while it is there. */
function useSeen(onSeen: () => void, count: number) {
  const element = useRef<HTMLParagraphElement>(null);
  useEffect(() => {
    if (element.current === null) return;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some(({ isIntersecting }) => isIntersecting)) onSeen();
      },
      { rootMargin: AHEAD },
    );
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [count, onSeen]);
  return element;
}

interface ShelvedProps {
  readonly channelId: string;
  readonly picture: GalleryView;
  readonly onOpen: () => void;
}

function Shelved({ channelId, picture, onOpen }: ShelvedProps): JSX.Element {
  const { id, prompt, memberName, likes, width, height } = picture;
  const small = `/api/channels/${encodeURIComponent(channelId)}/gallery/${id}/small`;
  return (
    <li>
      <button type="button" onClick={onOpen} aria-label={`Enlarge: ${prompt}`}>
        <img src={small} alt={prompt} width={width} height={height} loading="lazy" decoding="async" />
      </button>
      <p title={prompt}>{prompt}</p>
      <small>
        {memberName}
        {likes > 0 && ` · ${likes === 1 ? '1 vote' : `${likes} votes`}`}
      </small>
    </li>
  );
}

interface EnlargedProps {
  readonly pictures: readonly GalleryView[];
  readonly index: number;
  readonly onIndex: (index: number) => void;
  readonly onClose: () => void;
}

function Enlarged({ pictures, ...shown }: EnlargedProps): JSX.Element {
  return (
    <Lightbox
      pictures={pictures.map(({ id, prompt }) => ({ id, blobHash: id, alt: prompt }))}
      links={Object.fromEntries(pictures.map(({ id, link }) => [id, link]))}
      isHidden={() => false}
      onReveal={() => undefined}
      votes={() => null}
      {...shown}
    />
  );
}
