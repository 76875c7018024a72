/** examples/atma: services of someone else, who know nothing of this package, work beside ours in either role. */
import { randomUUID } from 'node:crypto';
import { connect as connectAmqplib } from 'amqplib';
import axios from 'axios';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../await.js';
import { rabbitInstalled } from '../brokers/shared.js';
import { effectsHad, jobOf, jobsOf } from './atma-jobs.js';
import { allDone, endAll, expectExactlyOnce, KEY, type Scene, setScene } from './atma-scene.js';

const releases: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const release of releases.splice(0).reverse()) await release();
});

async function channelOf({ url }: Scene) {
  const connection = await connectAmqplib(url);
  releases.push(() => connection.close());
  return connection.createChannel();
}

describe.skipIf(!rabbitInstalled)('on RabbitMQ', () => {
  it('a plain consumer that asserts its queue as it does today gets what our worker tells, beside our services', {
    timeout: 120_000,
  }, async () => {
    const scene = await setScene('amqp');
    const { exchange, notifications } = scene.names;
    const channel = await channelOf(scene);
    // Theirs starts first on an empty broker, and again when ours is there: neither start fails with 406.
    const assertAsToday = async () => {
      await channel.assertExchange(exchange, 'topic', { durable: true });
      await channel.assertQueue(notifications, {
        durable: true,
        arguments: {
          'x-dead-letter-exchange': `${exchange}_dlx`,
          'x-dead-letter-routing-key': 'notifications.dlq',
        },
      });
      for (const key of ['analysis.completed', 'analysis.failed', 'analysis.started']) {
        await channel.bindQueue(notifications, exchange, key);
      }
    };
    await assertAsToday();
    await scene.move({ stage: 'live', percent: 100 });
    const assessment = await scene.start('assessment-service');
    await assertAsToday();

    const received: Record<string, unknown>[] = [];
    await channel.prefetch(10);
    const { consumerTag } = await channel.consume(notifications, (message) => {
      if (message === null) return;
      received.push({ key: message.fields.routingKey, ...JSON.parse(message.content.toString()) });
      channel.ack(message);
    });
    // The callbacks in dry run of a service that is theirs go to nobody; they count for nothing.
    const worker = await scene.start('analysis-worker', {
      ASSESSMENT_SERVICE_URL: assessment.url,
      NOTIFICATION_SERVICE_URL: 'http://127.0.0.1:9',
    });
    const jobs = jobsOf(0, 20);
    await scene.offer(jobs);
    await eventually('theirs has all', () => received.length === 2 * jobs.length, { withinMs: 30_000 });
    const of = (type: string) => received.filter(({ eventType, key }) => eventType === type && key === type);
    expect(
      [of('analysis.started'), of('analysis.completed'), of('analysis.failed')].map((each) => each.length),
    ).toEqual([20, 16, 4]);
    const first = of('analysis.completed').find(({ jobId }) => jobId === jobs[1]?.jobId);
    expect(first).toMatchObject({
      ...{ userId: jobs[1]?.userId, userEmail: 'user@example.com', resultId: expect.any(String) },
      metadata: { assessmentName: 'AI-Driven Talent Mapping', processingTime: expect.any(Number) },
    });
    await eventually('ours has all', () => scene.effects('assessment-service').length === 24, {
      withinMs: 30_000,
    });

    // Both on one queue: each event goes to one of them.
    const before = received.length;
    const notification = await scene.start('notification-service');
    const more = jobsOf(20, 220);
    await scene.offer(more);
    const ours = () => scene.effects('notification-service').length;
    const theirs = () => received.slice(before).filter(({ key }) => key !== 'analysis.started').length;
    await eventually('all are told', () => ours() + theirs() >= more.length, { withinMs: 60_000 });
    expect(ours() + theirs()).toBe(more.length);
    expect(Math.min(ours(), theirs())).toBeGreaterThan(0);
    await channel.cancel(consumerTag);
    await endAll(scene, { worker, notification, assessment });
  });

  it('what a plain publisher sends without confirms has its effects once, told several times', {
    timeout: 120_000,
  }, async () => {
    const scene = await setScene('amqp');
    const notification = await scene.start('notification-service');
    const assessment = await scene.start('assessment-service');
    const channel = await channelOf(scene);
    const jobs = jobsOf(0, 20);
    // As today's worker: a message id with the time in it, so a fact that is published five times has five ids.
    for (let time = 0; time < 5; time++) {
      for (const job of jobs) {
        const failed = job.outcome === 'failed';
        const type = failed ? 'analysis.failed' : 'analysis.completed';
        const { jobId, userId, userEmail, assessmentName } = job;
        const event = {
          ...{ eventType: type, timestamp: new Date(Date.now() + time).toISOString() },
          ...{ jobId, userId, userEmail, resultId: failed ? null : jobId.replace('00000001', '00000003') },
          ...(failed && { errorMessage: 'AI service did not answer in time' }),
          metadata: { assessmentName, processingTime: 5_000, retryCount: 0 },
        };
        channel.publish(scene.names.exchange, type, Buffer.from(JSON.stringify(event)), {
          ...{ persistent: true, messageId: `${jobId}-${type}-${Date.now() + time}`, timestamp: Date.now() },
        });
      }
    }
    await allDone(scene, jobs);
    const worker = await scene.start('analysis-worker');
    await endAll(scene, { worker, notification, assessment });
    expectExactlyOnce(scene, jobs);
    expect(new Set(scene.effects('notification-service').map(({ path }) => path))).toEqual(
      new Set(['event']),
    );
  });

  it('jobs that a plain publisher puts on the queue are done', { timeout: 120_000 }, async () => {
    const scene = await setScene('amqp');
    const cast = await scene.startAll();
    const channel = await channelOf(scene);
    const jobs = jobsOf(0, 20);
    for (const job of jobs) {
      const body = Buffer.from(
        JSON.stringify({ ...job, timestamp: new Date().toISOString(), retryCount: 0 }),
      );
      channel.publish(scene.names.jobExchange, 'analysis.process', body, { persistent: true });
    }
    await allDone(scene, jobs);
    await endAll(scene, cast);
    expectExactlyOnce(scene, jobs);
  });
});

it('callbacks of a plain axios caller without stamps have their effects, and the events of the same facts none', {
  timeout: 120_000,
}, async () => {
  const scene = await setScene('embedded');
  await scene.move({ stage: 'live', percent: 100 });
  const cast = await scene.startAll();
  const jobs = [jobOf(1), jobOf(5)];
  const caller = axios.create({ headers: { 'X-Internal-Service': 'true', 'X-Service-Key': KEY } });
  const failed = {
    jobId: jobs[1]?.jobId,
    errorMessage: 'AI service did not answer in time',
    status: 'failed',
  };
  for (let time = 0; time < 2; time++) {
    await caller.post(`${cast.notification.url}/notifications/analysis-failed`, {
      userId: jobs[1]?.userId,
      ...failed,
    });
    await caller.post(`${cast.assessment.url}/assessments/callback/failed`, { resultId: null, ...failed });
  }
  expect(scene.effects('notification-service')).toEqual([
    { fact: `analysis.failed:${jobs[1]?.jobId}`, effect: 'push', path: 'callback' },
  ]);
  // Now our worker tells of both jobs, by event: of one of them it is no news.
  await scene.offer(jobs);
  await allDone(scene, jobs);
  await endAll(scene, cast);
  expectExactlyOnce(scene, jobs);
  const paths = scene.effects('assessment-service').map(({ effect, path }) => `${effect} by ${path}`);
  expect(paths).toEqual(['status by callback', 'refund by callback', 'status by event']);
});

it('a callback of somebody who does not have our key is refused', { timeout: 60_000 }, async () => {
  const scene = await setScene('embedded');
  const assessment = await scene.start('assessment-service');
  const body = { jobId: randomUUID(), resultId: randomUUID(), status: 'completed' };
  const sent = axios.post(`${assessment.url}/assessments/callback/completed`, body);
  await expect(sent).rejects.toMatchObject({ response: { status: 401 } });
  expect(effectsHad(scene.effects('assessment-service'))).toEqual([]);
});
