/** The worker's job queue. Jobs are events of a catalog of their own: so they have schema, retries and dead letters, too. */
import { bind, defineCatalog, defineEvent, exchange, queue } from 'atma-events';
import { z } from 'zod';

const job = z.object({
  jobId: z.guid(),
  userId: z.guid(),
  userEmail: z.email(),
  assessmentName: z.string().min(1),
  /** What the stand-in for the AI is to come to, and how long it takes. */
  outcome: z.enum(['completed', 'failed']).default('completed'),
  delayMs: z.int().min(0).max(600_000).default(0),
});

/** Named and declared as it is today; one with other arguments makes the start fail. */
export function jobSystem({ JOB_EXCHANGE_NAME: exchangeName, JOB_QUEUE_NAME: jobs }) {
  const dead = `${jobs}_dlq`;
  return {
    catalog: defineCatalog(defineEvent({ type: 'analysis.process', schema: job, exchange: exchangeName })),
    topology: {
      exchanges: [exchange(exchangeName, 'direct')],
      queues: [
        queue(jobs, { 'x-dead-letter-exchange': exchangeName, 'x-dead-letter-routing-key': 'dlq' }),
        queue(dead),
      ],
      bindings: [...bind(exchangeName, jobs, 'analysis.process'), ...bind(exchangeName, dead, 'dlq')],
    },
  };
}
