/** What users were told, in order: a user who was away says what they saw last, and gets the rest. */
export const INBOX_TABLE = `
  CREATE TABLE IF NOT EXISTS inbox (id INTEGER PRIMARY KEY, user_id TEXT NOT NULL, message TEXT NOT NULL);
  CREATE INDEX IF NOT EXISTS inbox_of_user ON inbox (user_id, id);`;

export function createInbox(database) {
  const insert = database.prepare('INSERT INTO inbox (user_id, message) VALUES (?, ?)');
  const select = database.prepare('SELECT id, message FROM inbox WHERE user_id = ? AND id > ? ORDER BY id');
  return {
    /** Part of the transaction in which it is called. Gives the message with its number. */
    add(userId, message) {
      const { lastInsertRowid } = insert.run(userId, JSON.stringify(message));
      return { id: Number(lastInsertRowid), ...message };
    },
    after: (userId, id) =>
      select.all(userId, id).map((row) => ({ id: Number(row.id), ...JSON.parse(row.message) })),
  };
}
