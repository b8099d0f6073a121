import { expect, it } from 'vitest';
import { KronaError } from '../../core/errors.ts';
import { readValue, type Value } from '../../core/values.ts';

const read = (type: 'integer' | 'number', typed: Value): Value | string => {
  try {
    return readValue({ name: 'n', type }, typed);
  } catch (error) {
    return error instanceof KronaError ? error.code : String(error);
  }
};

it.each([
  ['12', 12],
  ['+3.', 3],
  ['.5', 0.5],
  ['-1e-3', -0.001],
  [' 7 ', 7],
  ['.', 'OPTION_INVALID'],
  ['1.2.3', 'OPTION_INVALID'],
  ['0x10', 'OPTION_INVALID'],
  ['', 'OPTION_INVALID'],
])('“%s” as a number', (typed, value) => {
  expect(read('number', typed)).toBe(value);
});

// A pattern that can split digits in two ways takes half a minute, and so much longer than a test may.
it.each(['1', '1.', '.1', '1e1'])('a page of %s is refused at once', (piece) => {
  expect(read('integer', `${piece.repeat(60_000)}x`)).toBe('OPTION_INVALID');
});
