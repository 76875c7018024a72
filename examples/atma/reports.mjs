/** For shadow mode: what the service did with each fact, as lines that `shadow run --spool reports=FILE` reads. */
import { appendFileSync, closeSync, openSync } from 'node:fs';
import { createDeliveryRecorder } from 'atma-events';

/** `consumer` is the service's name in the shadow mapping. Without a file nothing is reported. */
export function createReports(file, consumer, { log, onEnd }) {
  if (file === undefined) return { acked() {}, applied() {} };
  const fd = openSync(file, 'a', 0o600);
  const recorder = createDeliveryRecorder({
    consumer,
    write: (line) => appendFileSync(fd, line),
    onGap: (gap) => log.warn('reports-lost', gap),
  });
  onEnd(async () => {
    await recorder.close();
    closeSync(fd);
  });
  return {
    /** An event was taken off the queue, with or without an effect. */
    acked: (message) => recorder.recordDelivery({ did: 'acked', via: 'event', message }),
    /** A fact had its effect. Of its data only what names it. */
    applied: (via, type, { jobId, resultId = null }) =>
      recorder.recordDelivery({ did: 'applied', via, type, event: { jobId, resultId } }),
  };
}
