/**
 * @file Ids of channels and people as the records have them: those of a further workspace begin with its own. Slack's ids are sure to
 * differ only within a workspace, and a channel that workspaces share has one id in all of them, so that one could rule what
 * belongs to another. https://docs.slack.dev/apis/slack-connect
 */
import type { Channel } from '../../core/records.ts';
import { ownId } from '../../core/own-id.ts';

export class Ids {
  /** `T0123/`; '' for the first workspace. */
  readonly #prefix: string;

  private constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /**
   * Those of a workspace: as its channels have them, whichever way its token came before; else without its own only if the token is
   * that of the configuration.
   *
   * @param channels - all of Slack's
   * @param isHome - the token is that of the configuration
   */
  static of(
    team: string,
    channels: readonly Pick<Channel, 'externalId' | 'serverId'>[],
    isHome: boolean,
  ): Ids {
    const prefix = `${team}/`;
    const own = channels.filter(({ serverId }) => serverId === team);
    if (own.some(({ externalId }) => externalId.startsWith(prefix))) return new Ids(prefix);
    return new Ids(isHome || own.length > 0 ? '' : prefix);
  }

  /** Of one of Slack's. */
  record(id: string): string {
    return this.#prefix + id;
  }

  /** Whether a channel is one of the workspace's. */
  has(externalId: string): boolean {
    return externalId === this.record(ownId(externalId));
  }
}
