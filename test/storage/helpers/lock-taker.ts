/** @file A process that takes a data folder, at once or when it is told to. Arguments: the folder, and `wait`. */
import { once } from 'node:events';
import { lockFolder } from '../../../storage/embedded/folder-lock.ts';

// Not longer than the test that started it.
process.once('disconnect', () => process.exit());

const [folder, wait] = process.argv.slice(2) as [string, string?];
if (wait !== undefined) {
  process.send!('ready');
  await once(process, 'message');
}
try {
  await lockFolder(folder, folder);
  process.send!('owner');
} catch (error) {
  process.send!((error as { code: string }).code);
}
