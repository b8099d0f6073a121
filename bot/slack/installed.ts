/**
 * @file The workspaces in which the app was installed by OAuth: their tokens, sealed in the records, and who is served. One that
 * Slack can't be reached for yet is known all the same, so that no other workspace's token is used for it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { pauseAfter } from '../../core/backoff.ts';
import { KronaError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Installation } from '../../core/records.ts';
import { oncePerState, retry } from '../../core/retrying.ts';
import { seal, unseal } from '../../core/sealed.ts';
import type { RecordStore } from '../../storage/records.ts';
import type { UnderWay } from '../under-way.ts';
import type { Installed } from './oauth.ts';
import type { Workspace, WorkspaceParts } from './workspace.ts';

/** Pauses between tries to reach Slack for a workspace. */
const PAUSES = { first: 5_000, longest: 10 * 60_000 };
/** Pauses before Slack is asked again whether a token is dead that it said it withdrew, ms. */
const DOUBTS = [0, 1_000, 10_000, 60_000];

export interface InstalledParts {
  /** Seals the tokens. */
  readonly secret: string;
  readonly records: RecordStore;
  readonly log: Log;
  readonly underWay: UnderWay;
  readonly stopping: AbortSignal;
  /** The workspace with a token, not started. */
  workspace(parts: Pick<WorkspaceParts, 'token' | 'origin' | 'team' | 'onRemoved'>): Workspace;
  /** Starts it; done when it takes events. @throws KronaError SLACK_TOKEN_INVALID, SLACK_UNREACHABLE */
  start(workspace: Workspace): Promise<void>;
}

interface Known {
  readonly token: string;
  /** null until it is served. */
  workspace: Workspace | null;
  /** Settles when it is served, or given up. */
  begun: Promise<unknown>;
  /** Its token is no use. */
  isLost: boolean;
}

export class InstalledWorkspaces {
  readonly #parts: InstalledParts;
  /** By Slack's id. */
  readonly #known = new Map<string, Known>();
  readonly #warn: (error: unknown) => void;

  constructor(parts: InstalledParts) {
    this.#parts = parts;
    this.#warn = oncePerState((error) => parts.log.warn({ error }, 'Slack: a workspace cannot be served'));
  }

  /** Those served. */
  get all(): Workspace[] {
    return [...this.#known.values()].flatMap(({ workspace }) => workspace ?? []);
  }

  get size(): number {
    return this.#known.size;
  }

  /** @returns null: known, and not served (yet); undefined: not installed there */
  find(team: string): Workspace | null | undefined {
    return this.#known.get(team)?.workspace;
  }

  /** Whether it is known and can't be served until Krona is installed there again. */
  isLost(team: string): boolean {
    return this.#known.get(team)?.isLost === true;
  }

  /** Waits for one that is about to be served, but not for long. */
  async awaited(team: string, ms: number): Promise<Workspace | null> {
    const known = this.#known.get(team);
    if (known?.workspace === null)
      await Promise.race([known.begun, sleep(ms, undefined, { ref: false })]).catch(() => undefined);
    return this.find(team) ?? null;
  }

  /** Serves a workspace as soon as Slack can be reached for it. */
  open({ serverId, name, sealedToken }: Installation): void {
    const { secret, stopping, underWay } = this.#parts;
    const token = unseal(secret, sealedFor(serverId), sealedToken);
    if (token === null) {
      this.#known.set(serverId, { token: '', workspace: null, begun: Promise.resolve(), isLost: true });
      return this.#warn(sealedOtherwise(name));
    }
    const known: Known = { token, workspace: null, begun: Promise.resolve(), isLost: false };
    this.#known.set(serverId, known);
    known.begun = retry(() => this.#serve(serverId, name, known), {
      signal: stopping,
      pause: (error, failures) => {
        this.#warn(error);
        known.isLost = error instanceof KronaError && error.code === 'SLACK_TOKEN_INVALID';
        const isCurrent = this.#known.get(serverId) === known;
        return known.isLost || !isCurrent ? null : pauseAfter(failures, PAUSES);
      },
    });
    underWay.add(known.begun);
  }

  /** Stores and serves a workspace. @throws KronaError SLACK_TOKEN_INVALID, SLACK_UNREACHABLE: it is served later */
  async add({ team, name, token }: Installed): Promise<void> {
    const { secret, records } = this.#parts;
    const sealedToken = seal(secret, sealedFor(team), token);
    await records.saveInstallation({ platform: 'slack', serverId: team, name, sealedToken });
    const before = this.#known.get(team)?.workspace ?? null;
    const known: Known = { token, workspace: before, begun: Promise.resolve(), isLost: false };
    this.#known.set(team, known);
    try {
      await this.#serve(team, name, known);
    } catch (error) {
      await before?.stop();
      this.open({ platform: 'slack', serverId: team, name, sealedToken, installedAt: new Date() });
      throw error;
    }
    await before?.stop();
  }

  async #serve(team: string, name: string, known: Known): Promise<void> {
    const onRemoved = () => this.#parts.underWay.add(this.#forget(team, known, workspace));
    const workspace = this.#parts.workspace({
      ...{ token: known.token, origin: { workspace: name }, team, onRemoved },
    });
    await this.#parts.start(workspace);
    // It was installed again, or removed, in the meantime, or the bot stops.
    if (!this.#parts.stopping.aborted && this.#known.get(team) === known) known.workspace = workspace;
    else await workspace.stop();
  }

  /**
   * The app was removed from a workspace, as an event says. What its channels have made stays. Events can be of an earlier
   * installation, or of another token than the bot's, so only Slack's own word on the token counts.
   */
  async #forget(team: string, known: Known, workspace: Workspace): Promise<void> {
    const { log, records, stopping } = this.#parts;
    for (const pause of DOUBTS) {
      await sleep(pause, undefined, { signal: stopping }).catch(() => undefined);
      const isRemoved = await workspace.isRemoved().catch(() => false);
      if (stopping.aborted || this.#known.get(team) !== known) return;
      if (!isRemoved) continue;
      this.#known.delete(team);
      log.info({ workspace: team }, 'Slack: Krona was removed from a workspace');
      await records.removeInstallation('slack', team);
      return workspace.stop();
    }
    log.info(
      { workspace: team },
      'Slack: an event said that Krona was removed from a workspace where its token works',
    );
  }
}

const sealedFor = (team: string): string => `Slack token of ${team}`;

const sealedOtherwise = (workspace: string): KronaError =>
  new KronaError(
    'SLACK_TOKEN_SEALED',
    `The token for the Slack workspace ${workspace} was stored with another KRONA_SECRET. Set the former secret, or install Krona in the workspace again.`,
  );
