/**
 * The one SQLite driver: `node:sqlite` where the runtime has it (Node 22.13 and later), better-sqlite3
 * elsewhere. Synchronous, rows as arrays of columns, errors as `EventsError('storage')`.
 */
import { createRequire } from 'node:module';
import { EventsError } from '../core/errors.js';
import { storageError } from './errors.js';

/** Text must hold no NUL character: node:sqlite of Node 22 cuts it there when reading. */
export type SqlValue = null | number | string | Uint8Array;
/** Columns in the order of the SELECT. Give them distinct names: one driver goes through objects. */
export type SqlRow = readonly SqlValue[];

export interface Statement {
  /** Runs it and returns how many rows changed. */
  run(...values: SqlValue[]): number;
  get(...values: SqlValue[]): SqlRow | undefined;
  all(...values: SqlValue[]): SqlRow[];
}

export interface Database {
  /** Runs SQL text without parameters or results. */
  exec(sql: string): void;
  /** Prepared once per text and connection. */
  prepare(sql: string): Statement;
  /** Idempotent. */
  close(): void;
}

export interface OpenOptions {
  /** The file must exist, and nothing is written. Default false. */
  readonly readonly?: boolean;
  /** How long a statement blocks the event loop waiting for another process's lock. Default 0. */
  readonly busyTimeoutMs?: number;
}

/** Opens or creates the database file `path`. Throws `storage`. */
export function openDatabase(path: string, options: OpenOptions = {}): Database {
  return guarded(path, () => driver()(path, options));
}

/**
 * Runs `work` in one write transaction: all of it is committed, or none of it. The write lock is taken at
 * once (IMMEDIATE), so that a transaction which began never fails with a lock conflict halfway.
 */
export function inTransaction<T>(database: Database, work: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    rollback(database);
    throw error;
  }
}

function rollback(database: Database): void {
  try {
    database.exec('ROLLBACK');
  } catch {
    // SQLite rolls back by itself on a full disk or I/O error, and then there is nothing left to roll back.
  }
}

/** A blob column as a Buffer, without copying. */
export function asBuffer(value: SqlValue | undefined): Buffer {
  if (Buffer.isBuffer(value)) return value;
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return Buffer.alloc(0);
}

type Driver = (path: string, options: OpenOptions) => Database;

/** What both clients have in common; only the parts used here. */
interface ClientStatement {
  run(...values: SqlValue[]): { changes: number | bigint };
  get(...values: SqlValue[]): unknown;
  all(...values: SqlValue[]): unknown[];
}

interface Client<S extends ClientStatement> {
  exec(sql: string): unknown;
  prepare(sql: string): S;
  close(): unknown;
}

interface BetterStatement extends ClientStatement {
  readonly reader: boolean;
  raw(on: boolean): unknown;
}

interface NodeStatement extends ClientStatement {
  /** Missing before Node 22.16. */
  setReturnArrays?(on: boolean): void;
}

type BetterSqlite = new (
  path: string,
  options: { readonly: boolean; fileMustExist: boolean; timeout: number },
) => Client<BetterStatement>;
type NodeSqlite = {
  DatabaseSync: new (path: string, options: { readOnly: boolean }) => Client<NodeStatement>;
};

let chosen: Driver | undefined;

function driver(): Driver {
  chosen ??= hasNodeSqlite() ? nodeDriver() : betterDriver();
  return chosen;
}

function hasNodeSqlite(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major > 22 || (major === 22 && minor >= 13);
}

function nodeDriver(): Driver {
  const { DatabaseSync } = withoutExperimentalWarning(
    () => createRequire(import.meta.url)('node:sqlite') as NodeSqlite,
  );
  return (path, options) => {
    const client = new DatabaseSync(path, { readOnly: options.readonly ?? false });
    client.exec(`PRAGMA busy_timeout=${options.busyTimeoutMs ?? 0}`);
    return wrap(path, client, (statement) => {
      if (statement.setReturnArrays === undefined) return withEmptyBlobs(rowsFromObjects(statement));
      statement.setReturnArrays(true);
      return withEmptyBlobs(statement);
    });
  };
}

function betterDriver(): Driver {
  let Client: BetterSqlite;
  try {
    Client = createRequire(import.meta.url)('better-sqlite3') as BetterSqlite;
  } catch (cause) {
    throw new EventsError('storage', `no SQLite for Node ${process.versions.node}`, {
      hint: 'Node 22.13 and later have it built in. On older ones install the package better-sqlite3 (it compiles from source: it needs Python 3, make and a C++ compiler).',
      cause,
    });
  }
  return (path, options) => {
    const readonly = options.readonly ?? false;
    const client = new Client(path, {
      readonly,
      fileMustExist: readonly,
      timeout: options.busyTimeoutMs ?? 0,
    });
    return wrap(path, client, (statement) => {
      if (statement.reader) statement.raw(true);
      return statement;
    });
  };
}

function wrap<S extends ClientStatement>(
  path: string,
  client: Client<S>,
  asRows: (s: S) => ClientStatement,
): Database {
  let open = true;
  return {
    exec: (sql) => guarded(path, () => void client.exec(sql)),
    prepare(sql) {
      const statement = guarded(path, () => asRows(client.prepare(sql)));
      return {
        run(...values) {
          try {
            return Number(statement.run(...values).changes);
          } catch (error) {
            throw storageError(path, error);
          }
        },
        get(...values) {
          try {
            return statement.get(...values) as SqlRow | undefined;
          } catch (error) {
            throw storageError(path, error);
          }
        },
        all(...values) {
          try {
            return statement.all(...values) as SqlRow[];
          } catch (error) {
            throw storageError(path, error);
          }
        },
      };
    },
    close() {
      if (!open) return;
      open = false;
      guarded(path, () => void client.close());
    },
  };
}

const EMPTY_BLOB = Buffer.alloc(1).subarray(0, 0);

/** node:sqlite of Node 22 binds an empty blob as NULL where it has no memory behind it, as one that was read. */
function withEmptyBlobs(statement: ClientStatement): ClientStatement {
  const isEmpty = (value: SqlValue) => value instanceof Uint8Array && value.length === 0;
  const bound = (values: SqlValue[]) =>
    values.some(isEmpty) ? values.map((value) => (isEmpty(value) ? EMPTY_BLOB : value)) : values;
  return {
    run: (...values) => statement.run(...bound(values)),
    get: (...values) => statement.get(...bound(values)),
    all: (...values) => statement.all(...bound(values)),
  };
}

function rowsFromObjects(statement: ClientStatement): ClientStatement {
  const row = (value: unknown) => (value === undefined ? undefined : Object.values(value as object));
  return {
    run: (...values) => statement.run(...values),
    get: (...values) => row(statement.get(...values)),
    all: (...values) => statement.all(...values).map(row),
  };
}

function guarded<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw storageError(path, error);
  }
}

/** node:sqlite announces itself as experimental on stderr: once, when loaded. Every other warning passes. */
function withoutExperimentalWarning<T>(load: () => T): T {
  const emitWarning = process.emitWarning;
  process.emitWarning = ((warning: string | Error, ...rest: unknown[]) => {
    if (String(warning).includes('SQLite is an experimental feature')) return;
    Reflect.apply(emitWarning, process, [warning, ...rest]);
  }) as typeof process.emitWarning;
  try {
    return load();
  } finally {
    process.emitWarning = emitWarning;
  }
}
