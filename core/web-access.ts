/** @file Who can enter the web chat: everybody on this machine, or members with a key where others can reach it. */
import { BlockList, isIP } from 'node:net';
import type { Environment } from './environment.ts';
import { KronaError } from './errors.ts';

/** Shortest key, characters: a shorter one could be guessed. */
export const SHORTEST_KEY = 16;

export interface WebAccess {
  /** Only this machine reaches the chat: KRONA_HOST and KRONA_URL are loopback, and no proxy is named. */
  readonly local: boolean;
  /** A key or an invitation is needed to enter: everywhere but on this machine, unless KRONA_ACCESS is `open`. */
  readonly keyNeeded: boolean;
  /** KRONA_ACCESS_KEY: keys of members, separated by commas. Each key is one member. */
  readonly keys: readonly string[];
  /** KRONA_MODERATOR_KEY: in the link that makes a moderator. By default, made once and stored in the data folder. */
  readonly moderatorKey: string;
  /** KRONA_TRUSTED_PROXIES: addresses and networks of which X-Forwarded-For and X-Forwarded-Host are believed. */
  readonly trustedProxies: BlockList;
}

/** @throws KronaError KRONA_ACCESS_INVALID, KRONA_ACCESS_KEY_INVALID, KRONA_TRUSTED_PROXIES_INVALID */
export function readWebAccess(
  env: Environment,
  { host, publicUrl }: { readonly host: string; readonly publicUrl: string | null },
  moderatorKey: string,
): WebAccess {
  const proxies = listed(env.KRONA_TRUSTED_PROXIES);
  const local =
    isLoopback(host) &&
    proxies.length === 0 &&
    (publicUrl === null || isLoopback(new URL(publicUrl).hostname));
  const keys = accessKeys(env);
  return {
    local,
    keyNeeded: !isOpen(env) && (!local || keys.length > 0),
    keys,
    moderatorKey,
    trustedProxies: networks(proxies),
  };
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8);
LOOPBACK.addAddress('::1', 'ipv6');

/** Whether a host name or address is this machine's own, which no other machine reaches. A URL's may have brackets. */
export function isLoopback(host: string): boolean {
  const bare = host.toLowerCase().replace(/^\[|\]$/g, '');
  return bare === 'localhost' || (isIP(bare) !== 0 && LOOPBACK.check(bare, familyOf(bare)));
}

export const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4');

const listed = (value = ''): string[] =>
  value
    .split(/[\s,]+/)
    .map((each) => each.trim())
    .filter((each) => each !== '');

function isOpen({ KRONA_ACCESS }: Environment): boolean {
  if (KRONA_ACCESS === undefined || KRONA_ACCESS === 'key') return false;
  if (KRONA_ACCESS === 'open') return true;
  throw new KronaError(
    'KRONA_ACCESS_INVALID',
    `KRONA_ACCESS must be key or open, not "${KRONA_ACCESS}". With open, everybody who reaches the web chat can enter.`,
  );
}

function accessKeys({ KRONA_ACCESS_KEY }: Environment): string[] {
  const keys = [...new Set(listed(KRONA_ACCESS_KEY))];
  const short = keys.find((key) => key.length < SHORTEST_KEY);
  if (short === undefined) return keys;
  throw new KronaError(
    'KRONA_ACCESS_KEY_INVALID',
    `Each key in KRONA_ACCESS_KEY must have at least ${SHORTEST_KEY} characters; one has ${short.length}. Separate keys by commas.`,
  );
}

function networks(proxies: readonly string[]): BlockList {
  const list = new BlockList();
  for (const proxy of proxies) {
    const [address = '', bits, ...rest] = proxy.split('/');
    const most = isIP(address) === 6 ? 128 : 32;
    const valid = isIP(address) !== 0 && rest.length === 0;
    if (valid && bits === undefined) list.addAddress(address, familyOf(address));
    else if (valid && /^\d{1,3}$/.test(bits ?? '') && Number(bits) <= most)
      list.addSubnet(address, Number(bits), familyOf(address));
    else
      throw new KronaError(
        'KRONA_TRUSTED_PROXIES_INVALID',
        `KRONA_TRUSTED_PROXIES must be addresses or networks such as 10.0.0.2, 172.16.0.0/12, not "${proxy}".`,
      );
  }
  return list;
}
