/** @file Where a request came from: its sender's address, also behind proxies that are named in KRONA_TRUSTED_PROXIES. */
import type { BlockList } from 'node:net';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { familyOf } from '../core/web-access.ts';

/** An IPv4 address as itself where the system gives it inside an IPv6 one. */
const bare = (address: string): string => address.trim().replace(/^::ffff:(?=\d+\.)/i, '');

const isTrusted = (address: string, proxies: BlockList): boolean =>
  isIP(address) !== 0 && proxies.check(address, familyOf(address));

/** Whether the other end of the connection is a trusted proxy. */
export function isFromProxy({ socket }: Pick<IncomingMessage, 'socket'>, proxies: BlockList): boolean {
  return isTrusted(bare(socket.remoteAddress ?? ''), proxies);
}

/** The nearest address that is no trusted proxy: what any sender wrote before it is not believed. */
export function addressOf(
  { socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>,
  proxies: BlockList,
): string {
  const forwarded = [headers['x-forwarded-for'] ?? []].flat().join(',').split(',').map(bare);
  const hops = [...forwarded.filter((each) => isIP(each) !== 0), bare(socket.remoteAddress ?? '')];
  return hops.findLast((address, index) => index === 0 || !isTrusted(address, proxies)) ?? '';
}
