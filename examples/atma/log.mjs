/** Logs are lines of JSON on stdout: `{"at","service","level","event", ...}`. They hold ids, no e-mail addresses and no keys. */
const LEVELS = ['debug', 'info', 'warn', 'error'];

export function createLog(service, least = 'info', write = (line) => process.stdout.write(line)) {
  const line = (level) => (event, details) =>
    write(`${JSON.stringify({ at: new Date().toISOString(), service, level, event, ...details })}\n`);
  const silent = () => {};
  return Object.fromEntries(
    LEVELS.map((level) => [level, LEVELS.indexOf(level) < LEVELS.indexOf(least) ? silent : line(level)]),
  );
}
