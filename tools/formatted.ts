/** @file The text of a generated page as `npm run format` would leave it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { format, type FormatConfig } from 'oxfmt';

const OPTIONS = join(import.meta.dirname, '../.oxfmtrc.json');

/** @param path - tells the language. @throws Error for text that can't be parsed */
export async function formatted(path: string, text: string): Promise<string> {
  const { code, errors } = await format(
    path,
    text,
    JSON.parse(await readFile(OPTIONS, 'utf8')) as FormatConfig,
  );
  const [error] = errors;
  if (error) throw new Error(`${path}: ${error.message}`);
  return code;
}
