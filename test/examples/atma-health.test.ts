/** examples/atma: what GET /health says is true now. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../await.js';
import { type RabbitBroker, startRabbit } from '../brokers/rabbitmq.js';
import { rabbitInstalled } from '../brokers/shared.js';
import { type Cast, onBothBrokers, type Scene, type Service, setScene } from './atma-scene.js';

/** Each service, and the queue that it takes from. */
const queues = ({ worker, notification, assessment }: Cast, { names }: Scene) =>
  [
    [worker, names.jobQueue],
    [notification, names.notifications],
    [assessment, names.assessments],
  ] as const;

const says = (service: Service, expected: object, withinMs = 20_000) =>
  eventually(
    `${service.name} says ${JSON.stringify(expected)}`,
    async () => {
      const { status, json } = await service.get('/health');
      const wrong = Object.entries(expected).filter(
        ([name, value]) => JSON.stringify({ ...json, status }[name]) !== JSON.stringify(value),
      );
      if (wrong.length > 0) throw new Error(JSON.stringify({ status, json }));
      return true;
    },
    { withinMs, everyMs: 50 },
  );

onBothBrokers('GET /health of each service', (kind) => {
  it('says 200 with queue and stage, and 503 once its queue is gone', { timeout: 120_000 }, async () => {
    const scene = await setScene(kind);
    const cast = await scene.startAll();
    for (const [service] of queues(cast, scene)) {
      const { status, json } = await service.get('/health');
      expect(status).toBe(200);
      expect(json).toMatchObject({
        ...{ status: 'ok', connection: 'up', consumer: 'consuming', queue: { ready: 0, consumers: 1 } },
        ...{ stage: 'off', percent: 100, epoch: 0 },
      });
    }
    await scene.move({ stage: 'publish', percent: 25 });
    for (const [service] of queues(cast, scene))
      await says(service, { stage: 'publish', percent: 25, epoch: 1 });

    for (const [service, queue] of queues(cast, scene)) {
      await scene.transport.remove({ queues: [queue] });
      await says(service, { status: 503, connection: 'up', queue: null });
    }
  });

  it('says 503 while its consumer takes nothing because its work keeps failing', {
    timeout: 120_000,
  }, async () => {
    const scene = await setScene(kind);
    // Nobody answers there: in off, every job fails.
    const nowhere = 'http://127.0.0.1:9';
    const worker = await scene.start('analysis-worker', {
      ...{ NOTIFICATION_SERVICE_URL: nowhere, ASSESSMENT_SERVICE_URL: nowhere },
      ...{ CIRCUIT_OPEN_MS: '60000', JOBS_CONCURRENCY: '10' },
    });
    const jobs = Array.from({ length: 40 }, (_, n) => ({
      jobId: `00000001-0000-4000-8000-${String(n).padStart(12, '0')}`,
      userId: '00000002-0000-4000-8000-000000000000',
      userEmail: 'user@example.com',
      assessmentName: 'AI-Driven Talent Mapping',
    }));
    await scene.offer(jobs);
    await says(worker, { status: 503, connection: 'up', consumer: 'paused' });
    expect(worker.logs('consumer').map(({ kind: what }) => what)).toContain('circuit-open');
  });
});

describe.skipIf(!rabbitInstalled)('with RabbitMQ stopped and started again', () => {
  let rabbit: RabbitBroker;
  beforeAll(async () => {
    rabbit = await startRabbit();
  });
  afterAll(() => rabbit.stop());

  it('GET /health of each service says 503 and that the connection is down, then 200 again', {
    timeout: 180_000,
  }, async () => {
    const scene = await setScene('amqp', rabbit.url);
    const cast = await scene.startAll();
    const services = queues(cast, scene).map(([service]) => service);
    for (const service of services) await says(service, { status: 200, connection: 'up' });
    await rabbit.kill();
    for (const service of services) {
      await says(service, { status: 503, connection: 'down', queue: null });
    }
    await rabbit.start();
    for (const service of services) await says(service, { status: 200, connection: 'up' }, 60_000);
  });
});
