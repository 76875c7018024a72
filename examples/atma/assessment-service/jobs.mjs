/**
 * Jobs, and what they cost. Callbacks do not say whose a job is, so tokens are booked to the job; the account of a user is
 * what the jobs came to that are known to be theirs. All writes are part of the transaction in which they are called.
 */
export const JOB_TABLES = `
  CREATE TABLE IF NOT EXISTS jobs (
    job_id TEXT PRIMARY KEY, user_id TEXT, status TEXT NOT NULL, progress INTEGER NOT NULL,
    result_id TEXT, error TEXT, changed_at TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS jobs_of_user ON jobs (user_id);
  CREATE TABLE IF NOT EXISTS tokens (n INTEGER PRIMARY KEY, job_id TEXT NOT NULL, amount INTEGER NOT NULL, why TEXT NOT NULL);
  CREATE INDEX IF NOT EXISTS tokens_of_job ON tokens (job_id);`;

/** Tokens that an analysis costs. */
const PRICE = 1;

export function createJobs(database) {
  // Events may overtake each other: a job that has ended does not begin again.
  const begin = database.prepare(`
    INSERT INTO jobs VALUES (?, ?, 'processing', 10, NULL, NULL, ?) ON CONFLICT (job_id) DO NOTHING`);
  const end = database.prepare(`
    INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (job_id) DO UPDATE SET
      user_id = coalesce(user_id, excluded.user_id), status = excluded.status, progress = excluded.progress,
      result_id = excluded.result_id, error = excluded.error, changed_at = excluded.changed_at`);
  const book = database.prepare('INSERT INTO tokens (job_id, amount, why) VALUES (?, ?, ?)');
  const find = database.prepare(`
    SELECT job_id AS jobId, user_id AS userId, status, progress, result_id AS resultId, error,
      (SELECT coalesce(sum(amount), 0) FROM tokens WHERE tokens.job_id = jobs.job_id) AS tokens
    FROM jobs WHERE job_id = ?`);
  const account = database.prepare(`
    SELECT user_id AS userId, count(DISTINCT jobs.job_id) AS jobs, coalesce(sum(amount), 0) AS tokens
    FROM jobs LEFT JOIN tokens USING (job_id) WHERE user_id = ? GROUP BY user_id`);
  const now = () => new Date().toISOString();

  return {
    begin: ({ jobId, userId }) => begin.run(jobId, userId, now()),
    end: ({ jobId, userId, status, resultId, error }) =>
      end.run(jobId, userId, status, status === 'completed' ? 100 : 0, resultId, error, now()),
    refund: (jobId) => book.run(jobId, PRICE, 'refund'),
    /** Undefined: nothing has been heard of it. */
    find: (jobId) => find.get(jobId),
    account: (userId) => account.get(userId),
  };
}
