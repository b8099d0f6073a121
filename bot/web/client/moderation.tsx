/** @file What only moderators see beside the channels: invitations, the way to the administrator's page, and deleting the channel that is shown. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { ADMINISTRATION, FIRST_CHANNEL } from '../protocol.ts';
import { messageOf } from './api.ts';
import { store, useSelected } from './store.ts';

export function Moderation({ onPick }: { onPick: () => void }): JSX.Element | null {
  const moderator = useSelected((state) => state.moderator);
  const channelId = useSelected((state) => state.channelId);
  if (!moderator) return null;
  return (
    <div class="moderation">
      <Invite />
      <a class="button" href={`#${ADMINISTRATION}`} onClick={onPick}>
        Administration
      </a>
      {channelId !== FIRST_CHANNEL && <DeleteChannel key={channelId} />}
    </div>
  );
}

/** Makes a link for one new member, to be copied. */
function Invite(): JSX.Element {
  const [link, setLink] = useState<string | null>(null);
  const [error, setError] = useState<string | null>(null);
  const make = () => {
    setError(null);
    store
      .invite()
      .then(setLink)
      .catch((failure: unknown) => setError(messageOf(failure)));
  };
  return (
    <>
      <button type="button" class="button" onClick={make}>
        Invite a member
      </button>
      {link !== null && (
        <label class="invitation">
          <small>For one person: whoever opens it is this member.</small>
          <input readOnly value={link} onFocus={(event) => event.currentTarget.select()} />
        </label>
      )}
      {error !== null && (
        <small class="failed" role="alert">
          {error}
        </small>
      )}
    </>
  );
}

/** How long the second press is waited for, ms. */
const PATIENCE = 5_000;

function DeleteChannel(): JSX.Element {
  const [sure, setSure] = useState(false);
  useEffect(() => {
    if (!sure) return;
    const timer = setTimeout(() => setSure(false), PATIENCE);
    return () => clearTimeout(timer);
  }, [sure]);
  return (
    <button
      type="button"
      class={`button ${sure ? 'danger' : ''}`}
      onClick={() => {
        setSure(!sure);
        if (sure) void store.deleteChannel();
      }}
    >
      {sure ? 'Delete it with all pictures' : 'Delete this channel'}
    </button>
  );
}
