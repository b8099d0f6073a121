/** @file The models of this installation, on the administrator's page: what is here, what draws where, and changes to it. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { byteSize, percentDone } from '../../../core/format.ts';
import type { AdministrationView, LicenceView, ModelView } from '../protocol.ts';
import { answerOf, api, messageOf } from './api.ts';
import { ChannelOptions } from './channel-options.tsx';
import { Table } from './table.tsx';
import { Marked } from './text.tsx';

interface ModelCatalogueProps extends Pick<AdministrationView, 'models' | 'channels'> {
  readonly onChange: () => void;
}

/** What the buttons do. */
interface ModelActions {
  readonly pull: (model: ModelView) => void;
  readonly cancel: (model: ModelView) => void;
  readonly use: (model: ModelView) => void;
  readonly remove: (model: ModelView) => void;
}

/** Channels that are named; the rest is counted. */
const MOST_NAMED = 3;

export function ModelCatalogue({ models, channels, onChange }: ModelCatalogueProps): JSX.Element {
  const [where, setWhere] = useState<string | null>(null);
  const { asked, error, actions, accept, refuse } = useActions(where, onChange);
  return (
    <>
      <p>
        The worker’s own model is that of <code>KRONA_MODEL</code>. A pulled model can draw in any channel.{' '}
        <b>Use</b> has it draw in the place that you choose here.
      </p>
      <form onSubmit={(event) => event.preventDefault()}>
        <label>
          Use in
          <select value={where ?? ''} onChange={(event) => setWhere(event.currentTarget.value || null)}>
            <option value="">all channels</option>
            <ChannelOptions channels={channels} />
          </select>
        </label>
      </form>
      {error !== null && (
        <p class="failed" role="alert">
          {error}
        </p>
      )}
      {asked !== null && <Licence {...asked} onAccept={accept} onRefuse={refuse} />}
      <Table
        columns={['model', 'state', 'disk', 'licence', 'draws in', '']}
        rows={models.map((model) => [
          <span key="model">
            <b>{model.title}</b> <small>{model.name}</small>
          </span>,
          stateOf(model),
          // On one line.
          model.bytes === null ? '–' : byteSize(model.bytes).replace(' ', '\u00a0'),
          <LicenceName key="licence" {...model} />,
          placesOf(model),
          <Buttons key="buttons" model={model} actions={actions} />,
        ])}
      />
    </>
  );
}

/** Calls the interface, and asks for a licence where it says so. */
function useActions(where: string | null, onChange: () => void) {
  const [asked, setAsked] = useState<LicenceView | null>(null);
  const [error, setError] = useState<string | null>(null);
  const routes = api.administration.models[':name'];
  const act = (what: Promise<unknown>) => {
    setError(null);
    what.then(onChange).catch((failure: unknown) => setError(messageOf(failure)));
  };
  const pull = (name: string, accept: boolean) =>
    act(
      answerOf<{ asks: LicenceView | null }>(routes.pull.$post({ param: { name }, json: { accept } })).then(
        ({ asks }) => setAsked(asks),
      ),
    );
  const actions: ModelActions = {
    pull: ({ name }) => pull(name, false),
    cancel: ({ name }) => act(answerOf(routes.pull.$delete({ param: { name } }))),
    use: ({ name }) => act(answerOf(routes.use.$post({ param: { name }, json: { channel: where } }))),
    remove: ({ name }) => act(answerOf(routes.$delete({ param: { name } }))),
  };
  const accept = () => asked && pull(asked.model, true);
  return { asked, error, actions, accept, refuse: () => setAsked(null) };
}

function stateOf({ state, pull }: ModelView): string {
  switch (state) {
    case 'own':
      return 'the worker’s own';
    case 'pulled':
      return 'pulled';
    case 'absent':
      return 'can be pulled';
    case 'large':
      return 'needs more memory than the worker has';
    case 'pulling': {
      const { progress = null } = pull ?? {};
      return progress === null ? 'pull is queued' : `pulling, ${percentDone(progress)}`;
    }
  }
}

function placesOf({ usedIn }: ModelView): string {
  if (usedIn.length === 0) return 'no channel';
  const more = usedIn.length - MOST_NAMED;
  return `${usedIn.slice(0, MOST_NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function LicenceName({ licence }: ModelView): JSX.Element {
  if (licence === null) return <span>–</span>;
  return (
    <span>
      <a href={licence.url} target="_blank" rel="noreferrer">
        {licence.title}
      </a>{' '}
      <small>commercial use: {licence.commercial}</small>
    </span>
  );
}

function Buttons({ model, actions }: { model: ModelView; actions: ModelActions }): JSX.Element | null {
  const { state, title } = model;
  const button = (label: string, act: (model: ModelView) => void) => (
    <button type="button" class="button" aria-label={`${label} ${title}`} onClick={() => act(model)}>
      {label}
    </button>
  );
  switch (state) {
    case 'large':
      return null;
    case 'absent':
      return button('Pull', actions.pull);
    case 'pulling':
      return button('Cancel', actions.cancel);
    case 'own':
      return button('Use', actions.use);
    case 'pulled':
      return (
        <span class="buttons">
          {button('Use', actions.use)} {button('Remove', actions.remove)}
        </span>
      );
  }
}

interface LicenceProps extends LicenceView {
  readonly onAccept: () => void;
  readonly onRefuse: () => void;
}

function Licence({ title, text, fields, onAccept, onRefuse }: LicenceProps): JSX.Element {
  return (
    <div class="secret" role="status">
      <p>
        <b>{title}</b>
      </p>
      {text.map((paragraph) => (
        <p key={paragraph}>
          <Marked text={paragraph} />
        </p>
      ))}
      <p>{fields.map(({ name, value }) => `${name}: ${value}`).join(' · ')}</p>
      <button type="button" class="button primary" onClick={onAccept}>
        Accept and pull
      </button>{' '}
      <button type="button" class="button" onClick={onRefuse}>
        Cancel
      </button>
    </div>
  );
}
