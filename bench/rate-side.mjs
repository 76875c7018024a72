/** One side of the throughput measurements, in its own process: `{ side, url, queues, window, prefetch }`. */
import { serve } from './child.mjs';

serve(async ({ side, ...options }) =>
  side === 'amqplib'
    ? (await import('./side-amqplib.mjs')).open(options)
    : (await import('./side-ours.mjs')).open(options),
);
