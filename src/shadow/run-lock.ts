/** Who records into a run's store: one process at a time. */
import type { InUse } from '../storage/file-lock.js';

export const runInUse = (store: string): InUse => ({
  message: `Another shadow run records into ${store} at this moment`,
  hint: 'Stop it where it runs (Ctrl-C), or give another --store. shadow report and shadow verdict may look at any time.',
});
