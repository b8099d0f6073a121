/** @file What somebody sees first: the question for a name, and an empty channel that says exactly what to do. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { MAX_NAME } from '../protocol.ts';
import { Mark, PhotoIcon } from './icons.tsx';
import { store } from './store.ts';
import { CommandText } from './text.tsx';

const TRAIN = '/krona train subject:mochi class:cat';
const IMAGINE = [
  '/krona imagine a fox on a blue background',
  '/krona imagine a slice of pizza on a yellow background',
  '/krona imagine a rocket on a purple background',
];

/** Asks for a name, once a browser. */
export function NameForm(): JSX.Element {
  const [name, setName] = useState('');
  const [error, setError] = useState<string | null>(null);
  return (
    <main class="entrance">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          store.rename(name).catch((failure: unknown) => {
            setError(failure instanceof Error ? failure.message : String(failure));
          });
        }}
      >
        <Mark size={44} />
        <h1>Welcome to Krona</h1>
        <p>Teach it your pet, your mascot, your mug from a few photos. Then make pictures of it together.</p>
        <label for="name">What shall the others call you?</label>
        <div class="name-row">
          <input
            id="name"
            value={name}
            maxLength={MAX_NAME}
            autofocus
            autocomplete="nickname"
            placeholder="Your name"
            aria-invalid={error !== null}
            aria-describedby={error === null ? undefined : 'name-error'}
            onInput={(event) => setName(event.currentTarget.value)}
          />
          <button type="submit" class="button primary" disabled={name.trim() === ''}>
            Come in
          </button>
        </div>
        {error !== null && (
          <p id="name-error" class="failed" role="alert">
            {error}
          </p>
        )}
      </form>
    </main>
  );
}

/** The empty channel. Each example goes into the message box, to be changed or sent as it is. */
export function Welcome(): JSX.Element {
  return (
    <section class="welcome">
      <Mark size={40} />
      <h2>Make something of your own</h2>
      <p>Two ways to begin. Click an example, change what you like, press Enter.</p>
      <div class="ways">
        <div>
          <h3>Draw right away</h3>
          <p>Say what you want to see. Four pictures come back, and everybody here can vote.</p>
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
          <h3>Teach it something of yours</h3>
          <ol>
            <li>
              <span>Drop 4 to 10 photos of one thing on this page, or choose them.</span>
              <label for="photo-picker" class="button photos-button">
                <PhotoIcon /> Choose photos
              </label>
            </li>
            <li>
              <span>Say its name and what it is.</span>
              <button type="button" class="example" onClick={() => store.write(TRAIN)}>
                <CommandText text={TRAIN} />
              </button>
            </li>
            <li>
              <span>Watch it learn, then name it in a prompt.</span>
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
      <p class="hint">
        <kbd>/</kbd> shows every command, <kbd>Tab</kbd> completes it.
      </p>
    </section>
  );
}
