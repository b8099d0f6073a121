/**
 * @file The forms that the runtime gives to programs when it opens them, kept on disk: opening the gradient of a small
 * UNet takes a third of the time when its form is there. A form holds the weights too, packed for this processor, so
 * only programs of small models have one.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { isOwnFolder } from '../../core/private-files.ts';
import type { Program } from './compile.ts';

/** Bytes of the weights of a program whose form is kept. */
const LARGEST = 64 * 2 ** 20;
/** Bytes of all forms together. The ones that were used longest ago go first. */
const BOUND = 256 * 2 ** 20;

/** Where the runtime writes the form of a program. */
export interface FormDraft {
  readonly path: string;
  /** Keeps the form, for this process and others, or drops what was written of it. */
  end(isWhole: boolean): Promise<void>;
}

/** The form of one program in a folder, which may be missing. */
export class KeptForm {
  readonly #folder: string;
  readonly #key: string;

  private constructor(folder: string, key: string) {
    this.#folder = folder;
    this.#key = key;
  }

  /**
   * @param folder - null: nothing is kept
   * @param how - how the program is opened: other options, or another runtime, give another form
   * @returns null for a program whose form isn't kept: its model is large, a file of its weights is gone, or other users
   * can write into the folder, who could put a program of their own in the place of a form
   */
  static async of(program: Program, how: object, folder: string | null): Promise<KeptForm | null> {
    if (folder === null || program.weightBytes > LARGEST || !(await isOwnFolder(folder))) return null;
    const files = await Promise.all(program.weightFiles.map(identityOf)).catch(() => null);
    if (files === null) return null;
    const hash = createHash('sha256').update(program.bytes);
    hash.update(JSON.stringify([how, files, processor()]));
    return new KeptForm(folder, hash.digest('hex'));
  }

  /** @returns the form as an ONNX model; null when there is none, or it is damaged */
  async read(): Promise<Buffer | null> {
    const path = await this.#find();
    if (path === null) return null;
    const bytes = await readFile(path).catch(() => null);
    if (bytes === null) return null;
    if (!path.endsWith(`${sha256(bytes)}.onnx`)) {
      await rm(path, { force: true }).catch(() => {});
      return null;
    }
    const now = new Date();
    await utimes(path, now, now).catch(() => {});
    return bytes;
  }

  /** @returns null where the folder can't be written */
  async draft(): Promise<FormDraft | null> {
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      // Another user may have made it in the meantime.
      if (!(await isOwnFolder(this.#folder))) return null;
      const folder = await mkdtemp(join(this.#folder, 'draft-'));
      const path = join(folder, 'form.onnx');
      return { path, end: (isWhole) => this.#end(folder, path, isWhole) };
    } catch {
      return null;
    }
  }

  async #end(folder: string, path: string, isWhole: boolean): Promise<void> {
    try {
      if (!isWhole) return;
      const bytes = await readFile(path);
      if (bytes.length > BOUND / 2) return;
      const hash = sha256(bytes);
      await chmod(path, 0o600);
      // There is one only where the runtime refused it.
      const refused = await this.#find();
      if (refused !== null) await rm(refused, { force: true });
      await rename(path, join(this.#folder, `${this.#key}-${hash}.onnx`));
      await removeOldest(this.#folder);
    } catch {
      // The next program that opens tries again.
    } finally {
      await rm(folder, { recursive: true, force: true }).catch(() => {});
    }
  }

  async #find(): Promise<string | null> {
    const names = await readdir(this.#folder).catch(() => []);
    const name = names.find((each) => each.startsWith(`${this.#key}-`));
    return name === undefined ? null : join(this.#folder, name);
  }
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** What changes when a file's content does. */
async function identityOf(path: string): Promise<string> {
  const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  return [path, ino, size, mtimeNs, ctimeNs].join(' ');
}

/** What a form is made for: processors have different vector instructions, also under one name. */
const processor = (): string => (known ??= describeProcessor());
let known: string | undefined;

function describeProcessor(): string {
  const model = cpus()[0]?.model ?? '';
  if (process.platform !== 'linux') return `${process.arch} ${model}`;
  const flags = /^(?:flags|Features)\s*:.*$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[0] ?? '';
  return `${process.arch} ${model} ${flags}`;
}

/** Names that this file gives: nothing else in the folder is touched. */
const OWN = /^(?:[0-9a-f]{64}-[0-9a-f]{64}\.onnx|draft-.+)$/;

/** Removes drafts of processes that died, and the forms over the bound. */
async function removeOldest(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => OWN.test(name));
  const found = names.map(async (name) => ({ name, info: await stat(join(folder, name)).catch(() => null) }));
  const entries = (await Promise.all(found)).toSorted(
    (a, b) => Number(b.info?.mtimeMs ?? 0) - Number(a.info?.mtimeMs ?? 0),
  );
  let total = 0;
  for (const { name, info } of entries) {
    if (info === null) continue;
    total += info.size;
    const isStale = name.startsWith('draft-') && Date.now() - info.mtimeMs > HOUR;
    if (isStale || total > BOUND) await rm(join(folder, name), { recursive: true, force: true });
  }
}

const HOUR = 3600_000;
