/** @file Help above the message box: how a command is written, and what could come next. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { answerOf, api } from './api.ts';
import { type Assistance, isFile, type Suggestion, valueSuggestions } from './completion.ts';

/** How long typing must rest before the bot is asked, ms. */
const REST = 80;

interface SuggestionsProps {
  readonly help: Assistance;
  readonly items: readonly Suggestion[];
  readonly active: number | null;
  readonly onTake: (item: Suggestion) => void;
  readonly onPoint: (index: number) => void;
}

export function Suggestions({ help, items, active, onTake, onPoint }: SuggestionsProps): JSX.Element {
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => {
    if (active !== null) list.current?.children[active]?.scrollIntoView({ block: 'nearest' });
  }, [active]);
  return (
    <div class="help">
      <Usage help={help} />
      <ul ref={list} id="suggestions" role="listbox" aria-label="Suggestions">
        {items.map((item, index) => (
          <li
            key={item.label}
            id={`suggestion-${index}`}
            role="option"
            aria-selected={index === active}
            onPointerMove={() => index !== active && onPoint(index)}
            onPointerDown={(event) => {
              event.preventDefault();
              onTake(item);
            }}
          >
            <b>{item.label}</b>
            <span>{item.detail}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Usage({ help: { command, option } }: { help: Assistance }): JSX.Element | null {
  if (command === null) return null;
  return (
    <p class="usage">
      <b>/krona {command.path}</b>
      {command.options.map((each) => (
        <span key={each.name} class={each === option ? 'current' : ''}>
          {isFile(each) ? `${each.name}…` : each.name}
          {each.required ? '' : '?'}
        </span>
      ))}
      <small>{option?.description ?? command.description}</small>
    </p>
  );
}

/** Suggestions that the bot has for the option being typed. */
export function useLiveValues(help: Assistance | null, channel: string): readonly Suggestion[] {
  const [values, setValues] = useState<readonly Suggestion[]>([]);
  const ask = help?.ask ?? null;
  useEffect(() => {
    setValues([]);
    if (ask === null) return;
    let current = true;
    const timer = setTimeout(() => {
      answerOf(api.complete.$get({ query: { channel, ...ask } }))
        .then((found) => {
          const fitting = found.filter((value) => value !== ask.typed);
          if (current) setValues(valueSuggestions(fitting, ask.option, ''));
        })
        .catch(() => undefined);
    }, REST);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [channel, ask?.path, ask?.option, ask?.typed]);
  return values;
}
