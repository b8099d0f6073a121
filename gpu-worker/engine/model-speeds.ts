/** @file The speed files of the worker that each of its models can use. */
import { KronaError } from '../../core/errors.ts';
import { findSpeeds, type FoundSpeed } from '../sampling/speed.ts';
import type { OpenModels } from './open-models.ts';

interface Speeds {
  readonly found: readonly FoundSpeed[];
  /** Why others are left out, in words. */
  readonly refused: readonly string[];
}

export class ModelSpeeds {
  readonly #path: string;
  readonly #models: Pick<OpenModels, 'folder'>;
  readonly #known = new Map<string, Promise<Speeds>>();

  /** @param path - of a file or a folder of them; empty: there are none */
  constructor(path: string, models: Pick<OpenModels, 'folder'>) {
    this.#path = path;
    this.#models = models;
  }

  /** Those of a model; looked for again after a failure. @throws KronaError SPEED_MISSING, and as openModel */
  of(model: string): Promise<Speeds> {
    const known = this.#known.get(model);
    if (known) return known;
    const found = this.#find(model).catch((error: unknown) => {
      this.#known.delete(model);
      throw error;
    });
    this.#known.set(model, found);
    return found;
  }

  /** The one of a name; null for null. @throws KronaError SPEED_MISSING */
  async named(name: string | null, model: string): Promise<FoundSpeed | null> {
    if (name === null) return null;
    const found = (await this.of(model)).found.find((speed) => speed.name === name);
    if (found) return found;
    throw new KronaError(
      'SPEED_MISSING',
      `The worker has no speed file ${name} for its model. Use speed:none, or start it with KRONA_SPEED.`,
    );
  }

  forget(model: string): void {
    this.#known.delete(model);
  }

  async #find(model: string): Promise<Speeds> {
    const refused: string[] = [];
    if (this.#path === '') return { found: [], refused };
    const found = await findSpeeds(await this.#models.folder(model), this.#path, (why) => refused.push(why));
    return { found, refused };
  }
}
