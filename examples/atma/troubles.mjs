/** What the core tells on the side, as log lines: a lost connection, an event that failed for good, a full disk. */
import { describeTrouble } from 'atma-events';

/** What goes wrong a thousand times is told once in a while, with how often it was not told. */
const PAUSE_MS = 10_000;

/** For `openDispatcher`. */
export function logDispatcherTroubles(log, now = () => performance.now()) {
  const told = new Map();
  return ({ about, trouble, text }) => {
    if (about !== 'fact') return log.warn('dispatcher', { about, message: text }); // comes seldom as it is
    const kind = `${trouble.kind} ${trouble.service ?? ''}`;
    const last = told.get(kind);
    if (last !== undefined && now() - last.at < PAUSE_MS) {
      last.untold++;
      return;
    }
    told.set(kind, { at: now(), untold: 0 });
    log.warn('dispatcher', { about, message: text, ...(last?.untold && { untold: last.untold }) });
  };
}

export const logNotices = (log) => (notice) => log.warn('broker', notice);

/** Options of a consumer. */
export function logTroubles(log) {
  return {
    onTrouble: (trouble) => log.error('consumer', { kind: trouble.kind, message: describeTrouble(trouble) }),
    onDeadLetter: ({ reason, attempts, message }, { properties }) =>
      log.error('dead-letter', { reason, attempts, message, id: properties.messageId ?? null }),
  };
}
