/** @file Names, workspace admins and user groups, requested from Slack and kept for a while. */
import type { webApi } from '@slack/bolt';
import type { Party } from '../gateway.ts';
import { RecentMap } from '../../core/recent.ts';
import type { Log } from '../../core/log.ts';
import { reasonOf } from './failures.ts';
import type { Ids } from './ids.ts';
import type { SlackApi } from './web-api.ts';

/** How long an answer is used, ms: a promotion or a new name is known after that. */
const PERSON_FOR = 10 * 60_000;
const GROUPS_FOR = 5 * 60_000;
const REMEMBERED = 5_000;

export interface Person extends Party {
  /** Admin or owner of the workspace. */
  readonly moderator: boolean;
  readonly bot: boolean;
}

/** A person as events name them. */
export const party = ({ externalId, name }: Party): Party => ({ externalId, name });

type User = NonNullable<webApi.UsersInfoResponse['user']>;

/** The workspace whose app asks. */
export interface OwnWorkspace {
  readonly team: string;
  readonly ids: Ids;
}

interface KnownPerson {
  readonly until: number;
  readonly person: Promise<Person>;
}

export class Members {
  readonly #api: SlackApi;
  readonly #workspace: () => OwnWorkspace;
  readonly #log: Log;
  readonly #people = new RecentMap<string, KnownPerson>(REMEMBERED);
  #groups: { readonly until: number; readonly ofUser: Promise<ReadonlyMap<string, string[]>> } | null = null;
  #complained = false;

  constructor(api: SlackApi, workspace: () => OwnWorkspace, log: Log) {
    this.#api = api;
    this.#workspace = workspace;
    this.#log = log;
  }

  /** @param name - what the event calls them, for when Slack does not say */
  async person(id: string, name = id): Promise<Person> {
    const known = this.#people.get(id);
    if (known && known.until > performance.now()) return known.person;
    const person = this.#ask(id, name);
    this.#people.set(id, { until: performance.now() + PERSON_FOR, person });
    return person;
  }

  /** Somebody of whom Slack does not tell: without rights beyond everybody's. */
  unknown(id: string, name: string): Person {
    return { externalId: this.#workspace().ids.record(id), name, moderator: false, bot: false };
  }

  /** Ids of the user groups that a member is in; none where the app can't read them. */
  async groupsOf(id: string): Promise<readonly string[]> {
    if (this.#groups === null || this.#groups.until <= performance.now())
      this.#groups = { until: performance.now() + GROUPS_FOR, ofUser: this.#askGroups() };
    return (await this.#groups.ofUser).get(id) ?? [];
  }

  async #ask(id: string, name: string): Promise<Person> {
    try {
      const { user } = await this.#api.call('users.info', (client) => client.users.info({ user: id }));
      return {
        externalId: this.#workspace().ids.record(id),
        name: user?.profile?.display_name || user?.profile?.real_name || user?.name || name,
        // In a shared channel there are admins of other workspaces.
        moderator: (user?.is_admin === true || user?.is_owner === true) && this.#isOwn(user),
        bot: user?.is_bot === true,
      };
    } catch (error) {
      this.#people.delete(id);
      if (!this.#complained && reasonOf(error) !== 'user_not_found')
        this.#log.warn({ error }, 'Slack: could not look a member up; they do not count as an admin');
      this.#complained = true;
      return this.unknown(id, name);
    }
  }

  /** Whether somebody belongs to the app's workspace, also as one of several of an organization. */
  #isOwn({ team_id: team, is_stranger: stranger, enterprise_user: grid }: User): boolean {
    const { team: own } = this.#workspace();
    return stranger !== true && (team === own || grid?.teams?.includes(own) === true);
  }

  async #askGroups(): Promise<ReadonlyMap<string, string[]>> {
    const ofUser = new Map<string, string[]>();
    try {
      const { usergroups = [] } = await this.#api.call('usergroups.list', (client) =>
        client.usergroups.list({ include_users: true }),
      );
      for (const { id, users = [] } of usergroups)
        for (const user of users) if (id) ofUser.set(user, [...(ofUser.get(user) ?? []), id]);
    } catch (error) {
      // The scope is optional, and free workspaces have no user groups.
      if (!['missing_scope', 'paid_teams_only'].includes(reasonOf(error) ?? ''))
        this.#log.warn({ error }, 'Slack: could not read the user groups; nobody is in one');
    }
    return ofUser;
  }
}
