/**
 * @file How long servers are waited for, ms. The network can drop a connection without a word, as a firewall does that starts
 * again: the system would wait a quarter of an hour for it.
 */

/** A connection is given up that is not made in so long. */
export const CONNECTING = 10_000;

/** A statement about some records without an answer for so long has lost its connection. */
export const STATEMENT = 60_000;

/** The same of one that works on all of a database. */
export const LONG_STATEMENT = 60 * 60_000;

/** The same of a question to the queue: longer than a worker waits for its next job. */
export const QUEUE = 20_000;

/** The system looks after idle connections, from so long after the last byte. */
export const KEEP_ALIVE = 10_000;
