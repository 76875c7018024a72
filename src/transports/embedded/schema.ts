/** The tables of a broker file, and how one is created or recognised. */
import { type OwnFile, openOwnFile } from '../../storage/own-file.js';
import type { Database } from '../../storage/sqlite.js';

/**
 * Entry ids hold lane and position (see `lane.ts`), so an entry needs no index besides its table. Messages
 * are stored once and shared by all queues they went to; `refs` counts those. docs/embedded-broker.md tells
 * what the claim tables mean.
 */
const TABLES = `
CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), topology INTEGER NOT NULL);
CREATE TABLE exchange (
  name TEXT PRIMARY KEY, type TEXT NOT NULL, durable INTEGER NOT NULL, auto_delete INTEGER NOT NULL,
  arguments TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE queue (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, durable INTEGER NOT NULL,
  exclusive INTEGER NOT NULL, auto_delete INTEGER NOT NULL, arguments TEXT NOT NULL,
  owner INTEGER, dropped INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE binding (
  exchange TEXT NOT NULL, key TEXT NOT NULL, queue INTEGER NOT NULL, PRIMARY KEY (exchange, key, queue)
) WITHOUT ROWID;
CREATE TABLE lane (
  id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, priority INTEGER NOT NULL, head INTEGER NOT NULL,
  next INTEGER NOT NULL, ready INTEGER NOT NULL, bytes INTEGER NOT NULL, expiring INTEGER NOT NULL,
  UNIQUE (queue, priority)
);
CREATE TABLE message (
  id INTEGER PRIMARY KEY, refs INTEGER NOT NULL, exchange TEXT NOT NULL, key TEXT NOT NULL,
  properties, body BLOB NOT NULL
);
CREATE TABLE entry (id INTEGER PRIMARY KEY, message INTEGER NOT NULL, expires INTEGER);
CREATE TABLE returned (id INTEGER PRIMARY KEY);
CREATE TABLE reheld (id INTEGER PRIMARY KEY, consumer INTEGER NOT NULL);
CREATE TABLE claim (lo INTEGER PRIMARY KEY, hi INTEGER NOT NULL, consumer INTEGER NOT NULL);
CREATE TABLE consumer (
  id INTEGER PRIMARY KEY AUTOINCREMENT, queue INTEGER NOT NULL, session INTEGER NOT NULL, active INTEGER NOT NULL
);
CREATE TABLE session (id INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL, pid INTEGER NOT NULL);
INSERT INTO meta VALUES (1, 1);
INSERT INTO exchange VALUES
  ('amq.direct', 'direct', 1, 0, '{}'), ('amq.fanout', 'fanout', 1, 0, '{}'), ('amq.topic', 'topic', 1, 0, '{}');
`;

const BROKER_FILE: OwnFile = {
  kind: 'an embedded broker',
  applicationId: 0x61746d61, // 'atma'
  version: 1,
  // 8 KiB pages hold twice the messages per page written.
  pageSize: 8192,
  tables: TABLES,
  otherPathHint: 'Give another path, on a local disk, with embedded:PATH, or use RabbitMQ.',
};

/** Opens the broker file, creating it and its folder if need be. May throw busy: try again then. */
export function openBrokerFile(path: string): Database {
  return openOwnFile(path, BROKER_FILE);
}
