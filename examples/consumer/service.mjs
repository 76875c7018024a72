// ATMA's assessment service as a consumer: a completed job is closed, a failed one is closed and its token refunded.
// Run it after `atma-events setup`. TOKENS=down lets the refund fail, as when the token service is away.
import { connect, openIdempotencyStore, PermanentError } from 'atma-events';

const bus = await connect({ source: 'assessment-service' });
const store = openIdempotencyStore('.atma-events/once.db');

async function refund(userId, tokens) {
  if (process.env.TOKENS === 'down')
    throw new Error(`token service: connect ECONNREFUSED for user ${userId}`);
  console.log(`refunded ${tokens} token`);
}

await bus.consume(
  'analysis_events_assessments',
  {
    'analysis.started'() {},
    'analysis.completed'({ data }) {
      console.log(`job ${data.jobId.slice(0, 8)} completed`);
    },
    async 'analysis.failed'({ data }, { once }) {
      if (data.errorMessage === '') throw new PermanentError('a failed analysis without a reason');
      // The key is the fact, not the event: the HTTP callback of the same job must not refund a second time.
      const { ran } = await once(`refund:${data.jobId}`, () => refund(data.userId, 1));
      console.log(`job ${data.jobId.slice(0, 8)} failed${ran ? '' : ', refunded before'}`);
    },
  },
  { idempotency: store, retry: { delaysMs: [100, 200] } },
);

bus.closeOnSignals(['SIGTERM', 'SIGINT']);
console.log('consuming analysis_events_assessments');
