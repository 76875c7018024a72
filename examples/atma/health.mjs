/** `GET /health`: asks the broker now, so that it cannot say what was true an hour ago. */
import { setTimeout as pause } from 'node:timers/promises';
import { environmentStage, readFlagFile } from 'atma-events';

/** A broker that takes longer than this to count one queue is not up. */
const PATIENCE_MS = 1_000;

/**
 * | field | healthy | else |
 * |---|---|---|
 * | `connection` | `up` | `down`: the broker does not answer |
 * | `queue` | its messages and its consumers, at least one | null: not there, or not known |
 * | `consumer` | `consuming` | `paused`: handlers keep failing; `ended`: it is over, its queue was deleted, say |
 */
export function healthOf({ transport, queue, consumer, stage }) {
  stage(); // what it cannot read is told now, and not at the first question
  let ended = false;
  consumer.ended.catch(() => {
    ended = true;
  });
  return async () => {
    const found = await Promise.race([
      transport.counts(queue).then((counts) => ({ counts: counts ?? null })),
      pause(PATIENCE_MS, undefined, { ref: false }),
    ]).catch(() => undefined);
    const health = {
      connection: found === undefined ? 'down' : 'up',
      consumer: ended ? 'ended' : consumer.state().circuit === 'closed' ? 'consuming' : 'paused',
      queue: found?.counts ?? null,
      ...stage(),
    };
    const well =
      health.connection === 'up' && health.consumer === 'consuming' && (health.queue?.consumers ?? 0) > 0;
    return { status: well ? 200 : 503, json: { status: well ? 'ok' : 'unhealthy', ...health } };
  };
}

/** The stage as the flag file says at this moment; receivers decide by what is stamped on each fact, not by this. */
export function stageNow({ ATMA_EVENTS_FLAG_FILE: file }) {
  if (file === undefined) return { stage: environmentStage(process.env).decide(undefined).stage };
  try {
    const { stage, percent, epoch } = readFlagFile(file).state;
    return { stage, percent, epoch };
  } catch {
    return { stage: null }; // the file cannot be read: who moves the flag is told why
  }
}
