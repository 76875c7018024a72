/** The file of a shadow run: how it is recognised, and its tables. */
import { SPILL_TABLES } from './spill.js';

const TABLES = `${SPILL_TABLES}
CREATE TABLE legs (key TEXT PRIMARY KEY, at REAL NOT NULL, text TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX legs_at ON legs (at);
`;

export const RUN_FILE = {
  kind: 'a shadow run',
  applicationId: 0x41455352, // "AESR"
  version: 1,
  tables: TABLES,
  pageSize: 4_096,
  otherPathHint: 'Give another path with --store.',
};
