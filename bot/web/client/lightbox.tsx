/** @file One picture as large as the window allows; arrow keys go to the others, Esc closes. */
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { CardPicture } from '../../../commands/card.ts';
import { BackIcon, CloseIcon, DownloadIcon, NextIcon } from './icons.tsx';
import { store } from './store.ts';

interface LightboxProps {
  readonly pictures: readonly CardPicture[];
  readonly links: Readonly<Record<string, string>>;
  readonly index: number;
  readonly onIndex: (index: number) => void;
  readonly onClose: () => void;
  readonly isHidden: (picture: CardPicture) => boolean;
  readonly onReveal: (picture: CardPicture) => void;
  readonly votes: (picture: CardPicture) => JSX.Element | null;
}

/** What covers a picture that is shown only to members who ask for it. */
export const Veil = (): JSX.Element => (
  <span class="veil">
    <b>May be an adult (NSFW) image</b>
    Show
  </span>
);

export function Lightbox(props: LightboxProps): JSX.Element | null {
  const { pictures, links, index, onIndex, onClose, isHidden, onReveal, votes } = props;
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const picture = pictures[index];
  if (picture === undefined) return null;
  const link = links[picture.blobHash];
  const hidden = isHidden(picture);
  const go = (step: number) => onIndex((index + step + pictures.length) % pictures.length);
  return (
    <dialog
      ref={dialog}
      class="lightbox"
      aria-label={picture.alt}
      onClose={onClose}
      onClick={(event) => {
        if (
          event.target === dialog.current ||
          (event.target instanceof Element && event.target.tagName === 'FIGURE')
        )
          dialog.current?.close();
      }}
      onKeyDown={(event) => {
        if (event.key === 'ArrowRight') go(1);
        if (event.key === 'ArrowLeft') go(-1);
      }}
    >
      <figure>
        <img key={picture.id} class={hidden ? 'hidden' : ''} src={link} alt={picture.alt} />
        {hidden && (
          <button type="button" class="unveil" onClick={() => onReveal(picture)}>
            <Veil />
          </button>
        )}
      </figure>
      <footer>
        <p>{picture.alt}</p>
        {votes(picture)}
        {link !== undefined && !hidden && (
          <Begin link={link} alt={picture.alt} onBegin={() => dialog.current?.close()} />
        )}
        {link !== undefined && !hidden && (
          <a class="round" href={link} download aria-label="Download this picture">
            <DownloadIcon />
          </a>
        )}
      </footer>
      <button type="button" class="round close" aria-label="Close" onClick={() => dialog.current?.close()}>
        <CloseIcon />
      </button>
      {pictures.length > 1 && <Arrows go={go} />}
    </dialog>
  );
}

interface BeginProps {
  readonly link: string;
  readonly alt: string;
  readonly onBegin: () => void;
}

/** Begins a message with the picture, or with a part of it. */
function Begin({ link, alt, onBegin }: BeginProps): JSX.Element {
  const button = (label: string, begin: () => void) => (
    <button
      type="button"
      class="button"
      onClick={() => {
        onBegin();
        begin();
      }}
    >
      {label}
    </button>
  );
  return (
    <>
      {button('Remix', () => void store.remix(link))}
      {button('Edit', () => store.set({ brushing: { link, alt } }))}
    </>
  );
}

const Arrows = ({ go }: { go: (step: number) => void }): JSX.Element => (
  <>
    <button type="button" class="round back" aria-label="Previous picture" onClick={() => go(-1)}>
      <BackIcon />
    </button>
    <button type="button" class="round next" aria-label="Next picture" onClick={() => go(1)}>
      <NextIcon />
    </button>
  </>
);
