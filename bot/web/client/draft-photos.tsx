/** @file Photos in a message: those being written, each removable, and small views of photos in general. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { CloseIcon } from './icons.tsx';
import { store, useStore } from './store.ts';

/** The photos of the draft. */
export function DraftPhotos(): JSX.Element {
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

/** A photo, or its name where the browser can't show it. */
export function Preview({ name, link }: { name: string; link: string | undefined }): JSX.Element {
  const [failed, setFailed] = useState(false);
  if (failed || link === undefined) return <span class="unseen">{name}</span>;
  return <img src={link} alt={name} title={name} onError={() => setFailed(true)} />;
}
