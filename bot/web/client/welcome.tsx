/** @file What a newcomer sees first: the question for a name, and an empty channel that says what to do. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Card } from '../../../commands/card.ts';
import { MAX_NAME } from '../protocol.ts';
import { answerOf, api, inChannel, messageOf } from './api.ts';
import { CardView } from './card-view.tsx';
import { Mark, PhotoIcon } from './icons.tsx';
import { store, useSelected } from './store.ts';
import { CommandText } from './text.tsx';

const TRAIN = '/krona train subject:mochi class:cat';
const IMAGINE = [
  '/krona imagine a fox on a blue background',
  '/krona imagine a slice of pizza on a yellow background',
  '/krona imagine a rocket on a purple background',
];

/** Asks for a name, once a browser. */
export const NameForm = (): JSX.Element => (
  <Entrance
    question="What should people call you?"
    field={{ placeholder: 'Your name', autocomplete: 'nickname', maxLength: MAX_NAME }}
    enter={(name) => store.rename(name)}
  />
);

/** Asks for an access key, where the chat is not open to everybody. */
export const KeyForm = (): JSX.Element => (
  <Entrance
    question="Enter your access key, or open your invitation link."
    field={{ placeholder: 'Access key', autocomplete: 'off', type: 'password' }}
    enter={(key) => store.enterKey(key)}
  />
);

interface EntranceProps {
  readonly question: string;
  readonly field: JSX.IntrinsicElements['input'];
  readonly enter: (answer: string) => Promise<void>;
}

function Entrance({ question, field, enter }: EntranceProps): JSX.Element {
  const [answer, setAnswer] = useState('');
  const [error, setError] = useState<string | null>(null);
  return (
    <main class="entrance">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          enter(answer).catch((failure: unknown) => setError(messageOf(failure)));
        }}
      >
        <Mark size={44} />
        <h1>Welcome to Krona</h1>
        <p>
          Train it on a few photos of your pet, your mascot or your mug. Then generate pictures of it
          together.
        </p>
        <label for="answer">{question}</label>
        <div class="name-row">
          <input
            {...field}
            id="answer"
            value={answer}
            autofocus
            aria-invalid={error !== null}
            aria-describedby={error === null ? undefined : 'answer-error'}
            onInput={(event) => setAnswer(event.currentTarget.value)}
          />
          <button type="submit" class="button primary" disabled={answer.trim() === ''}>
            Join
          </button>
        </div>
        {error !== null && (
          <p id="answer-error" class="failed" role="alert">
            {error}
          </p>
        )}
      </form>
    </main>
  );
}

/** The models that suit the worker's computer, for moderators where none is here yet. */
function ModelOffer(): JSX.Element | null {
  const channel = useSelected((state) => state.channelId);
  const [card, setCard] = useState<Card | null>(null);
  useEffect(() => {
    let current = true;
    answerOf(api.channels[':channel'].welcome.$get(inChannel(channel)))
      // JSON has left out what the client's type calls undefined.
      .then((answer) => current && setCard(answer.card as Card | null))
      .catch(() => undefined);
    return () => {
      current = false;
    };
  }, [channel]);
  return card && <CardView lineId="welcome" card={card} links={{}} />;
}

/** The empty channel. Each example goes into the message box, to be changed or sent. */
export function Welcome(): JSX.Element {
  return (
    <section class="welcome">
      <Mark size={40} />
      <h2>Two ways to start</h2>
      <p>Click an example, change it if you like, and press Enter.</p>
      <div class="ways">
        <div>
          <h3>Generate pictures</h3>
          <p>Describe what you want to see. You get four pictures, and everybody here can vote.</p>
          <ul>
            {IMAGINE.map((text) => (
              <li key={text}>
                <button type="button" class="example" onClick={() => store.write(text)}>
                  <CommandText text={text} />
                </button>
              </li>
            ))}
          </ul>
        </div>
        <div>
          <h3>Train your own subject</h3>
          <ol>
            <li>
              <span>Drop 4 to 10 photos of one subject on this page, or choose them.</span>
              <label for="photo-picker" class="button photos-button">
                <PhotoIcon /> Choose photos
              </label>
            </li>
            <li>
              <span>Name the subject and its class.</span>
              <button type="button" class="example" onClick={() => store.write(TRAIN)}>
                <CommandText text={TRAIN} />
              </button>
            </li>
            <li>
              <span>When the training is done, use the name in a prompt.</span>
              <button
                type="button"
                class="example"
                onClick={() => store.write('/krona imagine mochi on a green background')}
              >
                <CommandText text="/krona imagine mochi on a green background" />
              </button>
            </li>
          </ol>
        </div>
      </div>
      <ModelOffer />
      <p class="hint">
        <kbd>/</kbd> lists all commands, <kbd>Tab</kbd> completes one.
      </p>
    </section>
  );
}
