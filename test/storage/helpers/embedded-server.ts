/** @file A process that serves a data folder's embedded database until it is told to stop. Argument: the folder. */
import { startEmbeddedDatabase } from '../../../storage/embedded/database.ts';

// Not longer than the test that started it.
process.once('disconnect', () => process.exit());

const database = await startEmbeddedDatabase({ dataFolder: process.argv[2]! });
process.send!(database.url);
process.once('message', () => void database.close().then(() => process.exit()));
