/** @file What `krona doctor` finds, one line each. */
import { describeError } from '../../core/errors.ts';

export interface Finding {
  /** What was looked at: `database`, `disk`. */
  readonly part: string;
  /** `warning`: it works, but look at it. */
  readonly state: 'ok' | 'warning' | 'error';
  /** For people. Never a value of a variable, which can be a secret. */
  readonly text: string;
}

export const ok = (part: string, text: string): Finding => ({ part, state: 'ok', text });
export const warning = (part: string, text: string): Finding => ({ part, state: 'warning', text });
export const failed = (part: string, text: string): Finding => ({ part, state: 'error', text });

/** Findings of one look; an error of Krona's becomes one. Never rejects. */
export async function look(
  part: string,
  find: () => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  try {
    return await find();
  } catch (error) {
    const { code, message } = describeError(error);
    // What another program says can have an address with a password in it.
    return [
      failed(
        part,
        code === 'INTERNAL' ? 'This could not be checked: it failed unexpectedly.' : `${code}: ${message}`,
      ),
    ];
  }
}
