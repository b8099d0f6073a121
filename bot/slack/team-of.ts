/** @file The workspace in which an event's app was installed. https://docs.slack.dev/apis/events-api */
import * as v from 'valibot';

const TEAM = v.object({ id: v.optional(v.string()) });
const BODY = v.object({
  authorizations: v.optional(v.array(v.object({ team_id: v.nullish(v.string()) }))),
  view: v.nullish(v.object({ app_installed_team_id: v.nullish(v.string()) })),
  team: v.nullish(TEAM),
  team_id: v.optional(v.string()),
});

/** Slack's id of the workspace; null: the event names none. Somebody of another one can act in a shared channel. */
export function teamOf(body: unknown): string | null {
  const { success, output } = v.safeParse(BODY, body);
  if (!success) return null;
  const { authorizations, view, team, team_id: named } = output;
  return authorizations?.[0]?.team_id ?? view?.app_installed_team_id ?? team?.id ?? named ?? null;
}
