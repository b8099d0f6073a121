/** @file The administrator's page: work of all channels, files, rules and the log, as they are now. */
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { byteSize } from '../../../core/format.ts';
import type { AdministrationView, EntryView, RulesView, WorkerView, WorkView } from '../protocol.ts';
import { answerOf, api, messageOf } from './api.ts';
import { ApiTokens } from './api-tokens.tsx';
import { ago } from './format.ts';
import { ModelCatalogue } from './model-catalogue.tsx';
import { SlackWorkspaces } from './slack-workspaces.tsx';
import { Table } from './table.tsx';
import { Marked } from './text.tsx';
import './administration.css';

/** Between two looks, ms. */
const LOOK_EVERY = 5_000;

export function Administration(): JSX.Element {
  const { view, error, look, act } = useOverview();
  if (view === null)
    return (
      <div class="administration">
        {error === null ? <p class="quiet">Loading…</p> : <Failure text={error} />}
      </div>
    );
  return (
    <div class="administration">
      {error !== null && <Failure text={error} />}
      <Section title="Workers" id="workers">
        <p>{view.computer}</p>
        <Workers workers={view.workers} act={act} />
      </Section>
      <Section title={`Queue (${view.open.length})`} id="queue">
        <Work work={view.open} empty="Nothing is queued." act={act} />
      </Section>
      <Section title="Models" id="models">
        <ModelCatalogue {...view} onChange={look} />
      </Section>
      <Section title="Files" id="files">
        <Files {...view.disk} />
        <Channels channels={view.channels} />
      </Section>
      <Section title="Ended jobs" id="ended">
        <Work work={view.ended} empty="Nothing has ended yet." act={act} />
      </Section>
      <Section title="API tokens" id="tokens">
        <ApiTokens {...view} onChange={look} />
      </Section>
      {view.slack && (
        <Section title="Slack workspaces" id="slack">
          <SlackWorkspaces {...view.slack} />
        </Section>
      )}
      <Section title="Log" id="log">
        <Log entries={view.log} />
      </Section>
    </div>
  );
}

type Act = (what: () => Promise<unknown>) => void;

/** What the page shows, asked again while it is open. */
function useOverview() {
  const [view, setView] = useState<AdministrationView | null>(null);
  const [error, setError] = useState<string | null>(null);
  const look = () =>
    answerOf(api.administration.$get())
      .then((seen) => {
        // JSON has left out what the client's type calls undefined.
        setView(seen as AdministrationView);
        setError(null);
      })
      .catch((failure: unknown) => setError(messageOf(failure)));
  useEffect(() => {
    void look();
    const timer = setInterval(() => void (document.hidden || look()), LOOK_EVERY);
    return () => clearInterval(timer);
  }, []);
  const act: Act = (what) => {
    what()
      .then(look)
      .catch((failure: unknown) => setError(messageOf(failure)));
  };
  return { view, error, look: () => void look(), act };
}

const Failure = ({ text }: { text: string }): JSX.Element => (
  <p class="failed" role="alert">
    {text}
  </p>
);

function Section(props: { title: string; id: string; children: ComponentChildren }): JSX.Element {
  const { title, id, children } = props;
  return (
    <section aria-labelledby={`${id}-title`}>
      <h3 id={`${id}-title`}>{title}</h3>
      {children}
    </section>
  );
}

function Workers({ workers, act }: { workers: readonly WorkerView[]; act: Act }): JSX.Element {
  if (workers.length === 0) return <p class="quiet">No worker has run within a day.</p>;
  return (
    <Table
      columns={['worker', 'computes on', 'model', 'does', '']}
      rows={workers.map(({ id, host, version, device, models, doing, canDrain }) => [
        <span key="worker">
          <b>{host}</b> <small>Krona {version}</small>
        </span>,
        device,
        models.join(', '),
        doing,
        canDrain && (
          <button
            key="drain"
            type="button"
            class="button"
            onClick={() =>
              act(() => answerOf(api.administration.workers[':id'].drain.$post({ param: { id } })))
            }
          >
            Drain
          </button>
        ),
      ])}
    />
  );
}

function Work({ work, empty, act }: { work: readonly WorkView[]; empty: string; act: Act }): JSX.Element {
  if (work.length === 0) return <p class="quiet">{empty}</p>;
  return (
    <Table
      columns={['what', 'channel', 'by', 'state', 'when', '']}
      rows={work.map((each) => [
        <span key="what">
          {each.kind} <b>{each.what}</b>
        </span>,
        <Place key="place" {...each} />,
        each.memberName,
        <State key="state" {...each} />,
        <Time key="time" at={each.endedAt ?? each.startedAt ?? each.createdAt} />,
        <WorkButton key="button" work={each} act={act} />,
      ])}
    />
  );
}

/** The channel of something. */
const Place = ({ channelName, platform }: Pick<WorkView, 'channelName' | 'platform'>): JSX.Element => (
  <span>
    #{channelName} <small>{platform}</small>
  </span>
);

const Time = ({ at }: { at: number }): JSX.Element => (
  <time dateTime={new Date(at).toISOString()} title={new Date(at).toLocaleString()}>
    {ago(at)}
  </time>
);

function State({ state, progress, failure }: WorkView): JSX.Element {
  if (failure !== null)
    return (
      <span class="failed" title={failure.message}>
        <code>{failure.code}</code>
        <small>{failure.message}</small>
      </span>
    );
  return <span>{progress === null ? state : `step ${progress.step} of ${progress.steps}`}</span>;
}

function WorkButton({ work: { id, state }, act }: { work: WorkView; act: Act }): JSX.Element | null {
  const param = { id };
  if (state === 'queued' || state === 'running')
    return (
      <button
        type="button"
        class="button"
        onClick={() => act(() => answerOf(api.administration.work[':id'].cancel.$post({ param })))}
      >
        Cancel
      </button>
    );
  if (state === 'done') return null;
  return (
    <button
      type="button"
      class="button"
      onClick={() => act(() => answerOf(api.administration.work[':id'].requeue.$post({ param })))}
    >
      Queue again
    </button>
  );
}

function Files({ stored, limit, free, size }: AdministrationView['disk']): JSX.Element {
  const most =
    limit === null ? 'KRONA_STORAGE sets no limit' : `at most ${byteSize(limit)} can be (KRONA_STORAGE)`;
  return (
    <p>
      {byteSize(stored)} of photos, pictures and adapters are stored; {most}. {byteSize(free)} of{' '}
      {byteSize(size)} are free on the bot's disk.
    </p>
  );
}

/** Channels with their files, and each one's rules on request. */
function Channels({ channels }: Pick<AdministrationView, 'channels'>): JSX.Element {
  const [shown, setShown] = useState<{ id: string; rules: RulesView } | null>(null);
  const show = (id: string) => {
    if (shown?.id === id) return setShown(null);
    answerOf(api.administration.channels[':id'].rules.$get({ param: { id } }))
      .then((rules) => setShown({ id, rules }))
      .catch(() => setShown(null));
  };
  return (
    <>
      <Table
        columns={['channel', 'files', '']}
        rows={channels.map(({ id, name, platform, storedBytes }) => [
          <Place key="place" channelName={name} platform={platform} />,
          byteSize(storedBytes),
          <button
            key="rules"
            type="button"
            class="button"
            aria-expanded={shown?.id === id}
            onClick={() => show(id)}
          >
            Rules
          </button>,
        ])}
      />
      {shown !== null && <Rules {...shown.rules} />}
    </>
  );
}

function Rules({ text, rows }: RulesView): JSX.Element {
  return (
    <div class="rules" role="status">
      {text.map((paragraph) => (
        <p key={paragraph}>
          <Marked text={paragraph} />
        </p>
      ))}
      <Table columns={['rule', 'value']} rows={rows} />
    </div>
  );
}

function Log({ entries }: { entries: readonly EntryView[] }): JSX.Element {
  if (entries.length === 0) return <p class="quiet">Nothing has happened yet.</p>;
  return (
    <Table
      columns={['when', 'channel', 'by', 'action', 'details']}
      rows={entries.map((entry) => [
        <Time key="time" at={entry.at} />,
        <Place key="place" {...entry} />,
        entry.memberName ?? 'votes',
        entry.action,
        entry.details,
      ])}
    />
  );
}
