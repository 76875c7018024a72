/** Recordings of generated traffic for `shadow compare`: each fact is two callbacks and one event for two consumers. */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';

/** Of ten thousand facts, so many lack their event. */
const MISSING = 1;
const SEED = 20_240_101;

export function missingOf(facts) {
  return Math.floor(facts / 10_000) * MISSING;
}

/** Writes `facts` facts, evenly over so many days, to the two files. */
export async function writeRecordings(files, facts, days) {
  const random = mulberry32(SEED);
  const hex = (digits) =>
    Math.floor(random() * 16 ** digits)
      .toString(16)
      .padStart(digits, '0');
  const uuid = () => `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(8)}${hex(4)}`;
  const callbacks = createWriteStream(files.callbacks);
  const events = createWriteStream(files.events);
  const stepMs = (days * 86_400_000) / facts;
  const start = Date.parse('2024-01-01T00:00:00Z');
  let lines = { callbacks: [], events: [] };
  const flush = async () => {
    for (const [stream, texts] of [
      [callbacks, lines.callbacks],
      [events, lines.events],
    ]) {
      if (texts.length > 0 && !stream.write(`${texts.join('\n')}\n`)) await once(stream, 'drain');
    }
    lines = { callbacks: [], events: [] };
  };
  for (let fact = 0; fact < facts; fact++) {
    const at = start + fact * stepMs;
    const iso = (ms) => new Date(at + ms).toISOString();
    const [jobId, userId, resultId] = [uuid(), uuid(), uuid()];
    const isMissing = fact % 10_000 === 5_000;
    const headers = { 'content-type': 'application/json', 'x-internal-service': 'true' };
    const callback = (path, body, ms) =>
      JSON.stringify({
        at: iso(ms),
        method: 'POST',
        path,
        headers,
        body,
        status: 200,
        durationMs: 12,
      });
    lines.callbacks.push(
      callback('/notifications/analysis-complete', { userId, jobId, resultId, status: 'completed' }, 0),
      callback('/assessments/callback/completed', { jobId, resultId, status: 'completed' }, random() * 20),
    );
    if (!isMissing) {
      const eventType = 'analysis.completed';
      lines.events.push(
        JSON.stringify({
          receivedAt: iso(random() * 100),
          exchange: 'atma_events_exchange',
          routingKey: eventType,
          messageId: `${jobId}-${eventType}-${Math.floor(at)}`,
          type: eventType,
          headers: {},
          valid: true,
          event: {
            eventType,
            timestamp: iso(0),
            jobId,
            userId,
            userEmail: 'user@example.com',
            resultId,
            metadata: { assessmentName: 'AI-Driven Talent Mapping', processingTime: 5000, retryCount: 0 },
          },
        }),
      );
    }
    if (fact % 1_000 === 999) await flush();
  }
  await flush();
  await Promise.all([callbacks, events].map((stream) => once(stream.end(), 'finish')));
}

function mulberry32(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
