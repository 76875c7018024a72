/** An idempotency store's file in a folder of its own, the stores opened on it, and their clock. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import {
  type FileIdempotencyStore,
  type IdempotencyStoreOptions,
  openIdempotencyStore,
} from '../../src/storage/idempotency-store.js';
import { openDatabase, type SqlRow } from '../../src/storage/sqlite.js';

export interface Stores {
  readonly folder: string;
  /** In a folder that does not exist yet. */
  readonly path: string;
  /** Milliseconds since 1970, as the stores see it. */
  readonly time: number;
  pass(ms: number): void;
  open(options?: IdempotencyStoreOptions): FileIdempotencyStore;
  /** What the file holds. */
  rows(sql: string): SqlRow[];
}

export function useStores(): Stores {
  let folder = '';
  let time = 0;
  let opened: FileIdempotencyStore[] = [];
  const path = () => join(folder, 'store', 'once.db');
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'atma-once-'));
    time = Date.now();
    opened = [];
  });
  afterEach(async () => {
    await Promise.all(opened.map((store) => store.close()));
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    get folder() {
      return folder;
    },
    get path() {
      return path();
    },
    get time() {
      return time;
    },
    pass(ms) {
      time += ms;
    },
    open(options) {
      const store = openIdempotencyStore(path(), { now: () => time, ...options });
      opened.push(store);
      return store;
    },
    rows(sql) {
      const database = openDatabase(path(), { readonly: true, busyTimeoutMs: 1_000 });
      try {
        return database.prepare(sql).all();
      } finally {
        database.close();
      }
    },
  };
}
