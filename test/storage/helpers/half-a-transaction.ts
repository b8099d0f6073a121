/** @file A process that writes in a transaction and never commits. Arguments: database URL, channel, member. */
import { randomUUID } from 'node:crypto';
import { openRecords } from '../../../storage/postgres/record-store.ts';

// Not longer than the test that started it.
process.once('disconnect', () => process.exit());

const [url, channelId, ownerId] = process.argv.slice(2) as [string, string, string];
const records = await openRecords(url, () => {});
await records.transaction(async (transaction) => {
  await transaction.addSubject({
    id: randomUUID(),
    channelId,
    name: 'Mochi',
    className: 'cat',
    token: 'sks',
    ownerId,
  });
  process.send!('written, not committed');
  await new Promise(() => {});
});
