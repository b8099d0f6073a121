/**
 * @file Reads a form piece by piece, as it comes: its files go to the disk, and no request can hold the process up or fill its
 * memory. (`Request.formData()` holds the whole body, and takes seconds for one of many small parts.)
 */
import type { Readable } from 'node:stream';
import busboy, { type Busboy } from 'busboy';
import { asError, KronaError } from '../../core/errors.ts';
import { MAX_PHOTOS } from '../upload-limits.ts';
import { cleanFileName, type Upload, type Uploads } from '../uploads.ts';

/** Bytes of a form: some photos. */
const MOST_BYTES = 64 * 1024 * 1024;
/** Bytes of a text. */
const MOST_TEXT = 64 * 1024;
/** More than any command has options. */
const MOST_FIELDS = 100;

interface Form {
  readonly texts: ReadonlyMap<string, string>;
  /** In the uploads; whoever reads the form releases them. */
  readonly files: readonly Upload[];
}

export interface FormPlace {
  readonly uploads: Uploads;
  /** Who sends it: bytes on the disk are counted by member. */
  readonly memberId: string;
  /** The field of files. */
  readonly field: string;
}

const wrong = (what: string, cause?: unknown): KronaError =>
  new KronaError('REQUEST_INVALID', `Invalid request: ${what}.`, { cause });
const tooLarge = (): KronaError =>
  new KronaError(
    'REQUEST_TOO_LARGE',
    `A form can have ${MOST_BYTES / 1024 ** 2} MiB, and a text in it ${MOST_TEXT / 1024} KiB. Send less at once.`,
  );

/**
 * @param contentType with the form's boundary
 * @throws KronaError REQUEST_INVALID, REQUEST_TOO_LARGE, OPTION_TWICE, TOO_MANY_FILES, and those of `Uploads.add`
 */
export async function readForm(
  body: ReadableStream<Uint8Array> | null,
  contentType: string,
  place: FormPlace,
): Promise<Form> {
  const form = new FormParts(contentType, place);
  const reader = (body ?? new Blob().stream()).getReader();
  const feed = async (): Promise<void> => {
    for (let size = 0; ;) {
      const { done, value } = await reader.read();
      if (done) return form.end();
      size += value.length;
      if (size > MOST_BYTES) throw tooLarge();
      // After a fault, the rest is read all the same: programs read an answer when they have sent everything.
      if (!form.isRefused) await form.write(value).catch(() => undefined);
    }
  };
  try {
    await feed();
    return { texts: form.texts, files: await Promise.all(form.files) };
  } catch (error) {
    await reader.cancel().catch(() => undefined);
    await form.drop();
    throw error;
  }
}

/** The parts of a form that have come. */
class FormParts {
  readonly texts = new Map<string, string>();
  readonly files: Promise<Upload>[] = [];
  /** Something is wrong with a part, so the others don't matter. */
  isRefused = false;
  readonly #parser: Busboy;
  readonly #place: FormPlace;
  readonly #streams: Readable[] = [];
  readonly #finished: Promise<void>;
  readonly #failed: Promise<never>;
  #fail: (error: unknown) => void = () => {};

  constructor(contentType: string, place: FormPlace) {
    this.#place = place;
    this.#failed = new Promise((_, reject) => {
      this.#fail = (error) => {
        this.isRefused = true;
        reject(asError(error));
      };
    });
    // It can fail before anybody waits for it.
    this.#failed.catch(() => undefined);
    this.#parser = parserOf(contentType);
    this.#finished = new Promise((resolve) => this.#parser.on('close', resolve));
    const tooMany = wrong('the form has too many parts');
    this.#parser
      .on('error', (error) => this.#fail(wrong('expected a form, to its end', error)))
      .on('partsLimit', () => this.#fail(tooMany))
      .on('fieldsLimit', () => this.#fail(tooMany))
      .on('filesLimit', () =>
        this.#fail(new KronaError('TOO_MANY_FILES', `At most ${MAX_PHOTOS} files can be sent at once.`)),
      )
      .on('field', (name, text, { valueTruncated }) => this.#addText(name, text, valueTruncated))
      .on('file', (name, stream, { filename }) => this.#addFile(name, stream, filename));
  }

  /** Resolves when the parser has room for more; rejects at the first thing that is wrong. */
  write(bytes: Uint8Array): Promise<void> {
    const written = new Promise<void>((resolve) => this.#parser.write(bytes, () => resolve()));
    return Promise.race([written, this.#failed]);
  }

  /** Resolves when all parts were taken in. */
  end(): Promise<void> {
    if (!this.isRefused) this.#parser.end();
    return this.isRefused ? this.#failed : Promise.race([this.#finished, this.#failed]);
  }

  /** Deletes what has come. */
  async drop(): Promise<void> {
    for (const stream of this.#streams) stream.destroy(wrong('it broke off'));
    const taken = await Promise.allSettled(this.files);
    await this.#place.uploads.release(
      taken.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : [])),
    );
  }

  #addText(name: string, text: string, cut: boolean): void {
    if (!name) this.#fail(wrong('a part of the form has no name'));
    else if (cut) this.#fail(tooLarge());
    else if (this.texts.has(name))
      this.#fail(new KronaError('OPTION_TWICE', `\`${name.slice(0, 40)}\` is set twice. Set it once.`));
    else this.texts.set(name, text);
  }

  #addFile(name: string, stream: Readable, fileName: string | undefined): void {
    const { uploads, memberId, field } = this.#place;
    // Its fault is also the form's, or that of the upload.
    stream.on('error', () => {});
    if (name !== field) this.#fail(wrong(`files belong into the field \`${field}\``));
    if (this.isRefused) {
      stream.resume();
      return;
    }
    this.#streams.push(stream);
    const file = uploads.add(memberId, cleanFileName(fileName ?? ''), stream);
    file.catch(this.#fail);
    this.files.push(file);
  }
}

/** @throws KronaError REQUEST_INVALID */
function parserOf(contentType: string): Busboy {
  try {
    return busboy({
      headers: { 'content-type': contentType },
      // File names are as browsers and programs send them.
      defParamCharset: 'utf8',
      limits: {
        fieldSize: MOST_TEXT,
        fields: MOST_FIELDS,
        files: MAX_PHOTOS,
        parts: MOST_FIELDS + MAX_PHOTOS,
      },
    });
  } catch (error) {
    throw wrong('expected a form with a boundary', error);
  }
}
