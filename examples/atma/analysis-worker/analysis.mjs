/** Stands in for the AI. The same job has the same result each time: where it was stored, a job that comes again finds it. */
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';

export async function analyse({ jobId, outcome, delayMs }, signal) {
  if (delayMs > 0) await pause(delayMs, undefined, { signal });
  if (outcome === 'completed') return { outcome, resultId: resultOf(jobId) };
  return { outcome, errorMessage: 'AI service did not answer in time', errorType: 'AI_TIMEOUT' };
}

/** A job that is done twice must not have two results: they would be two facts, and each would have its effects. */
function resultOf(jobId) {
  const hex = createHash('sha256').update(`result of ${jobId}`).digest('hex');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}
