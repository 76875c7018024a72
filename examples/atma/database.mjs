/** The service's own SQLite file. Whatever is written in one turn of the event loop is one transaction, and one flush to disk. */
const { default: Sqlite } = await import('better-sqlite3').catch(async () => ({
  default: (await import('node:sqlite')).DatabaseSync, // Node 22.13 and later have it built in
}));

export function openDatabase(path, tables) {
  const client = new Sqlite(path);
  client.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000');
  client.exec(tables);
  const begin = client.prepare('BEGIN IMMEDIATE');
  const commit = client.prepare('COMMIT');
  const rollback = client.prepare('ROLLBACK');
  let waiting = [];

  function inTransaction(work) {
    begin.run();
    try {
      const result = work();
      commit.run();
      return result;
    } catch (error) {
      rollback.run();
      throw error;
    }
  }

  function writeAll() {
    const group = waiting;
    waiting = [];
    try {
      const results = inTransaction(() => group.map(({ work }) => work()));
      for (const [at, { resolve }] of group.entries()) resolve(results[at]);
    } catch {
      for (const each of group) writeAlone(each); // one of them failed: it must not take the others with it
    }
  }

  function writeAlone({ work, resolve, reject }) {
    try {
      resolve(inTransaction(work));
    } catch (error) {
      reject(error);
    }
  }

  return {
    prepare: (sql) => client.prepare(sql),
    /** `work` is synchronous, and may be called a second time if others of its transaction fail. Resolves once it is on disk. */
    write(work) {
      return new Promise((resolve, reject) => {
        waiting.push({ work, resolve, reject });
        if (waiting.length === 1) setImmediate(writeAll);
      });
    },
    /** Call it when nothing is being written any more. */
    close: () => client.close(),
  };
}
