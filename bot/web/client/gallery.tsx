/** @file Pictures of a card: a grid of tiles that open large, each with its votes where members vote. */
import type { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Card, CardPicture } from '../../../commands/card.ts';
import type { PictureVotes } from '../protocol.ts';
import { namesOf } from './format.ts';
import { Heart } from './icons.tsx';
import { Lightbox, Veil } from './lightbox.tsx';
import { store, useSelected } from './store.ts';

/** The reaction that the page's hearts give, as the records spell it. */
const HEART = '❤';

interface GalleryProps {
  readonly pictures: readonly CardPicture[];
  readonly links: Readonly<Record<string, string>>;
  /** What the next picture looks like so far. */
  readonly preview: Card['preview'];
  readonly votesOn: string | undefined;
  /** What else is shown under a picture. */
  readonly underPicture: (picture: CardPicture) => ComponentChildren;
}

export function Gallery({ pictures, preview, links, votesOn, underPicture }: GalleryProps): JSX.Element {
  const [open, setOpen] = useState<number | null>(null);
  /** Sensitive pictures that this reader has asked to see. */
  const [revealed, setRevealed] = useState<ReadonlySet<string>>(new Set());
  const isHidden = ({ id, sensitive = false }: CardPicture) => sensitive && !revealed.has(id);
  const reveal = ({ id }: CardPicture) => setRevealed(new Set(revealed).add(id));
  const count = pictures.length + (preview ? 1 : 0);
  const shape = count === 1 ? 'one' : count <= 4 ? 'few' : 'many';
  const votes = (picture: CardPicture) =>
    votesOn === undefined ? null : <Votes setId={votesOn} picture={picture} of={pictures} />;
  return (
    <div class={`gallery ${shape}`}>
      {pictures.map((picture, index) => (
        <figure key={picture.id}>
          <Tile
            picture={picture}
            link={links[picture.blobHash]}
            hidden={isHidden(picture)}
            onPress={() => (isHidden(picture) ? reveal(picture) : setOpen(index))}
          />
          {votesOn === undefined ? (
            picture.caption !== undefined && <figcaption>{picture.caption}</figcaption>
          ) : (
            // Number and reactions are shown here, so a caption with both is not needed.
            <figcaption>
              {pictures.length > 1 && <span class="number">{index + 1}</span>}
              <span class="under">{underPicture(picture)}</span>
              {votes(picture)}
            </figcaption>
          )}
        </figure>
      ))}
      {preview && <Preview {...preview} />}
      {open !== null && (
        <Lightbox
          pictures={pictures}
          links={links}
          index={Math.min(open, pictures.length - 1)}
          onIndex={setOpen}
          onClose={() => setOpen(null)}
          isHidden={isHidden}
          onReveal={reveal}
          votes={votes}
        />
      )}
    </div>
  );
}

const Preview = ({ image, alt }: NonNullable<Card['preview']>): JSX.Element => (
  <figure class="so-far">
    <img src={`data:image/webp;base64,${image}`} alt={alt} draggable={false} />
    <figcaption>{alt}</figcaption>
  </figure>
);

interface TileProps {
  readonly picture: CardPicture;
  readonly link: string | undefined;
  readonly hidden: boolean;
  readonly onPress: () => void;
}

function Tile({ picture, link, hidden, onPress }: TileProps): JSX.Element {
  const [state, setState] = useState<'loading' | 'shown' | 'failed'>('loading');
  return (
    <button
      type="button"
      class={`tile ${state} ${hidden ? 'hidden' : ''}`}
      onClick={onPress}
      aria-label={`${hidden ? 'Show a possibly adult (NSFW) image' : 'Enlarge'}: ${picture.alt}`}
    >
      <img
        src={link}
        alt={picture.alt}
        decoding="async"
        draggable={false}
        onLoad={() => setState('shown')}
        onError={() => setState('failed')}
      />
      {hidden && <Veil />}
      {state === 'failed' && <span class="missing">This picture could not be loaded.</span>}
    </button>
  );
}

interface VotesProps {
  readonly setId: string;
  readonly picture: CardPicture;
  readonly of: readonly CardPicture[];
}

/** The heart that votes, and other reactions. */
function Votes({ setId, picture, of }: VotesProps): JSX.Element {
  const me = useSelected((state) => state.me);
  const votes = useSelected((state) => state.votes[setId]);
  const standing = (votes ?? []).filter((vote) => vote.pictureId === picture.id);
  const heart = standing.find((vote) => vote.emoji === HEART);
  const chips: Pick<PictureVotes, 'emoji' | 'members'>[] = [
    heart ?? { emoji: HEART, members: [] },
    ...standing.filter((vote) => vote !== heart),
  ];
  return (
    <span class="votes">
      {chips.map(({ emoji, members }) => {
        const mine = members.some((member) => member.id === me?.id);
        const others = members.filter((member) => member.id !== me?.id).map(({ name }) => name);
        const names = namesOf(mine ? ['You', ...others] : others);
        const what = emoji === HEART ? 'Vote' : emoji;
        return (
          <button
            key={emoji}
            type="button"
            class={`vote ${mine ? 'mine' : ''}`}
            aria-pressed={mine}
            aria-label={`${what} for picture ${of.indexOf(picture) + 1}; ${members.length} so far${names && `: ${names}`}`}
            data-tip={names === '' ? 'Vote for this picture' : names}
            onClick={() => store.vote({ setId, pictureId: picture.id, emoji, added: !mine })}
          >
            {emoji === HEART ? <Heart full={mine} /> : <span>{emoji}</span>}
            {members.length > 0 && <span class="count">{members.length}</span>}
          </button>
        );
      })}
    </span>
  );
}
