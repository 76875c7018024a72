/** What the service did about each fact, in a table that is written in the same transaction as the deed itself. */
export const EFFECTS_TABLE = `
  CREATE TABLE IF NOT EXISTS effects (
    n INTEGER PRIMARY KEY, fact TEXT NOT NULL, effect TEXT NOT NULL, path TEXT NOT NULL, at TEXT NOT NULL
  );`;
const ONCE = 'CREATE UNIQUE INDEX IF NOT EXISTS effects_once ON effects (fact, effect);';

/** Rows per look at the table. */
const PAGE = 1_000;

/**
 * A process may be killed after its transaction and before the idempotency store has noted that the effect happened. Nobody
 * but the service can tell what became of such an effect; this one looks into its table, so it need not fail
 * (`ifUnknown: 'run'`). The short lease has it look soon.
 */
const LOOK = { leaseMs: 2_000, waitMs: 10_000, ifUnknown: 'run' };

export function createEffects(database, { broken }) {
  database.prepare(broken.idempotency ? 'DROP INDEX IF EXISTS effects_once' : ONCE).run();
  const insert = database.prepare(
    'INSERT INTO effects (fact, effect, path, at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const page = database.prepare(
    `SELECT n, fact, effect, path, at FROM effects WHERE n > ? ORDER BY n LIMIT ${PAGE}`,
  );

  return {
    /**
     * Does what `deeds` says, once per fact and on the path that counts: `{ status() { … }, refund() { … } }`. All of it is
     * one transaction, so a deed is synchronous and writes to this database only. True when it was done now.
     */
    async apply({ effect, fact, path }, deeds) {
      const done = () =>
        database.write(() => {
          const at = new Date().toISOString();
          let now = false;
          for (const [name, deed] of Object.entries(deeds)) {
            if (insert.run(fact, name, path, at).changes === 0) continue; // before its process was killed
            deed();
            now = true;
          }
          return now;
        });
      const result = await effect(done, LOOK);
      return result.ran && result.value;
    },
    /** Lines of JSON of what came after row `after`, a page at a time. */
    *lines(after) {
      for (let rows = page.all(after); rows.length > 0; rows = page.all(after)) {
        yield rows.map((row) => `${JSON.stringify(row)}\n`).join('');
        after = rows.at(-1).n;
      }
    },
  };
}
