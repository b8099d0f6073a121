/** @file Plain text with the two marks that cards may use: `**bold**` and `` `code` ``; a command to try is a button. */
import type { JSX, VNode } from 'preact';
import { store } from './store.ts';

export function Marked({ text }: { text: string }): JSX.Element {
  const parts: (string | VNode)[] = text.split(/(\*\*[^*]+\*\*|`[^`]+`)/u).map((part, index) =>
    part.startsWith('**') && part.endsWith('**') && part.length > 4 ? (
      <strong key={index}>{part.slice(2, -2)}</strong>
    ) : part.startsWith('`/krona') && part.endsWith('`') ? (
      <button
        key={index}
        type="button"
        class="code"
        title="Copy to the message box"
        onClick={() => store.write(part.slice(1, -1))}
      >
        {part.slice(1, -1)}
      </button>
    ) : part.startsWith('`') && part.endsWith('`') && part.length > 2 ? (
      <code key={index}>{part.slice(1, -1)}</code>
    ) : (
      part
    ),
  );
  return <>{parts}</>;
}

/** A command as its author typed it: the command itself, then each `option:value` set apart. */
export function CommandText({ text }: { text: string }): JSX.Element {
  const match = /^\/krona\s+(\S+)\s*([\s\S]*)$/u.exec(text);
  if (match === null) return <>{text}</>;
  const [, command, options = ''] = match;
  const rest = options.split(/(\b[a-z][a-z0-9_-]*:(?:"[^"]*"|\S+))/u).filter((part) => part !== '');
  return (
    <span class="command">
      <b>/krona {command}</b>{' '}
      {rest.map((part, index) =>
        /^[a-z][a-z0-9_-]*:/u.test(part) ? (
          <span key={index} class="option">
            <i>{part.slice(0, part.indexOf(':'))}</i>
            {part.slice(part.indexOf(':') + 1)}
          </span>
        ) : (
          <span key={index}>{part}</span>
        ),
      )}
    </span>
  );
}
