/** @file Which channels count together: a channel with its threads, or all channels of a server. */
import type { Reach } from '../../core/rules.ts';
import { sql, type Sql } from './sql.ts';

/** A subquery of ids: the channels that share a channel's rules, or its server's. */
export function channelsWithin(channelId: string, reach: Reach): Sql {
  if (reach === 'channel')
    return sql`
      SELECT id FROM krona.channel
      WHERE coalesce(parent_id, id) = (SELECT coalesce(parent_id, id) FROM krona.channel WHERE id = ${channelId})`;
  return sql`
    SELECT other.id FROM krona.channel AS other
    JOIN krona.channel AS here ON here.platform = other.platform AND here.server_id = other.server_id
    WHERE here.id = ${channelId}`;
}
