/** @file A card as HTML: the web chat's drawing of what commands say. */
import type { JSX } from 'preact';
import type { Card, CardButton, CardFile } from '../../../commands/card.ts';
import { Chart } from './chart.tsx';
import { fileSize } from './format.ts';
import { Gallery } from './gallery.tsx';
import { DownloadIcon, FileIcon } from './icons.tsx';
import { store, useSelected } from './store.ts';
import { Table } from './table.tsx';
import { Marked } from './text.tsx';

interface CardViewProps {
  /** The line or whisper that carries the card. */
  readonly lineId: string;
  readonly card: Card;
  readonly links: Readonly<Record<string, string>>;
}

export function CardView({ lineId, card, links }: CardViewProps): JSX.Element {
  // A button about one picture stands under that picture.
  const pictureIds = new Set(card.pictures?.map((picture) => picture.id));
  const all = [...(card.menu?.choices ?? []), ...(card.buttons ?? [])];
  const pictureOf = (button: CardButton) => button.action.slice(button.action.indexOf(':') + 1);
  const buttons = all.filter((button) => !pictureIds.has(pictureOf(button)));
  const underPicture = (pictureId: string) =>
    all
      .filter((button) => pictureOf(button) === pictureId)
      .map((button) => (
        <ActionButton
          key={button.action}
          lineId={lineId}
          button={{ ...button, label: button.label.replace(/\s+\d+$/u, '') }}
        />
      ));
  return (
    <article class={`card ${card.tone}`}>
      <h3>
        <Marked text={card.title} />
      </h3>
      {card.text?.map((paragraph, index) => (
        <p key={index}>
          <Marked text={paragraph} />
        </p>
      ))}
      {card.progress && <Progress {...card.progress} />}
      {card.fields && card.fields.length > 0 && (
        <dl class="fields">
          {card.fields.map((field) => (
            <div key={field.name}>
              <dt>{field.name}</dt>
              <dd>
                <Marked text={field.value} />
              </dd>
            </div>
          ))}
        </dl>
      )}
      {card.table && (
        <Table
          columns={card.table.columns}
          rows={card.table.rows.map((row) => row.map((cell, index) => <Marked key={index} text={cell} />))}
        />
      )}
      {card.charts?.map((chart) => (
        <Chart key={chart.label} {...chart} />
      ))}
      {((card.pictures && card.pictures.length > 0) || card.preview) && (
        <Gallery
          pictures={card.pictures ?? []}
          preview={card.preview}
          links={links}
          votesOn={card.votesOn}
          underPicture={({ id, blobHash, sensitive, alt }) => (
            <>
              {underPicture(id)}
              <BeginButtons link={sensitive ? undefined : links[blobHash]} alt={alt} />
            </>
          )}
        />
      )}
      {card.files?.map((file) => (
        <FileLink key={file.blobHash} file={file} link={links[file.blobHash]} />
      ))}
      {buttons.length > 0 && (
        <div class="buttons">
          {buttons.map((button) => (
            <ActionButton key={button.action} lineId={lineId} button={button} />
          ))}
        </div>
      )}
    </article>
  );
}

function Progress({ fraction, label }: NonNullable<Card['progress']>): JSX.Element {
  const percent = fraction === null ? null : Math.round(fraction * 100);
  return (
    <div class="progress" aria-live="off">
      <div
        class={`bar ${percent === null ? 'unknown' : ''}`}
        role="progressbar"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={percent ?? undefined}
      >
        <span style={{ width: percent === null ? undefined : `${percent}%` }} />
      </div>
      <p class="progress-text">{label}</p>
    </div>
  );
}

function FileLink({ file, link }: { file: CardFile; link: string | undefined }): JSX.Element {
  return (
    <a class="file" href={link ?? ''} download={file.name}>
      <FileIcon size={22} />
      <span>
        <b>{file.name}</b>
        <small>{fileSize(file.size)}</small>
      </span>
      <DownloadIcon />
    </a>
  );
}

interface BeginButtonsProps {
  readonly link: string | undefined;
  readonly alt: string;
}

/** Begin a message with a picture, or with a part of it; a hidden one is opened first, and has the buttons there. */
const BeginButtons = ({ link, alt }: BeginButtonsProps): JSX.Element | null =>
  link === undefined ? null : (
    <>
      <button type="button" class="button" onClick={() => void store.remix(link)}>
        Remix
      </button>
      <button type="button" class="button" onClick={() => store.set({ brushing: { link, alt } })}>
        Edit
      </button>
    </>
  );

function ActionButton({ lineId, button }: { lineId: string; button: CardButton }): JSX.Element {
  const busy = useSelected(({ pressed }) =>
    pressed.some((press) => press.lineId === lineId && press.action === button.action),
  );
  return (
    <button
      type="button"
      class={`button ${button.style ?? ''} ${busy ? 'busy' : ''}`}
      aria-busy={busy}
      disabled={busy}
      onClick={() => void store.press(lineId, button.action)}
    >
      {button.label}
    </button>
  );
}
