/** Where Krona takes commands on Discord, by what the library makes of an event. */
import { AuthorizingIntegrationOwners, type BaseInteraction, InteractionContextType } from 'discord.js';
import { expect, it } from 'vitest';
import { isPlaceOfKrona } from '../../bot/discord/refusal.ts';
import type { Places } from '../../bot/discord/places.ts';

const SERVER = '1200000000000000001';
const MEMBER = '1200000000000000002';

/** An interaction in a server or elsewhere; `owners`: who installed the app, as the event says it. */
const interaction = (context: InteractionContextType, owners: Record<number, string>) =>
  ({
    context,
    inGuild: () => context === InteractionContextType.Guild,
    authorizingIntegrationOwners: Reflect.construct(AuthorizingIntegrationOwners, [{}, owners]) as unknown,
  }) as unknown as BaseInteraction;

const { Guild, BotDM, PrivateChannel } = InteractionContextType;

it.each([
  ['a server that invited it', Guild, { 0: SERVER }, true, true],
  ['one where a member has it too', Guild, { 0: SERVER, 1: MEMBER }, true, true],
  ['a server where only a member has it', Guild, { 1: MEMBER }, false, false],
  ['direct messages of a server’s member', BotDM, { 0: '0' }, true, false],
  ['direct messages of a member who has it', BotDM, { 1: MEMBER }, true, false],
  ['messages between members', PrivateChannel, { 1: MEMBER }, false, false],
])('in %s', (_, context, owners, withDirect, without) => {
  const places = {} as Places;
  const found = [true, false].map((direct) =>
    isPlaceOfKrona(interaction(context, owners), { places, direct }),
  );
  expect(found).toEqual([withDirect, without]);
});
