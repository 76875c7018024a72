import { describe, expect, it, onTestFinished } from 'vitest';
import { EMPTY_TOPOLOGY, queue } from '../../../src/core/topology/model.js';
import { deliveryLimitOf } from '../../../src/transports/amqp/delivery-limit.js';
import { eventually } from '../../await.js';
import { rabbitInstalled, sharedRabbit } from '../../brokers/shared.js';
import { open, unique } from './stage.js';

describe('the delivery limit of a queue', () => {
  it.each([
    ['quorum', 3, undefined, '3.10.8', 3],
    ['quorum', undefined, 5, '3.13.0', 5],
    ['quorum', 10, 5, '4.1.0', 5],
    ['quorum', 3, 5, '4.1.0', 3],
    ['quorum', undefined, undefined, '3.13.0', undefined],
    ['quorum', undefined, undefined, '4.0.1', 20],
    ['quorum', undefined, -1, '4.1.0', undefined],
    ['quorum', 5, -1, '4.1.0', 5],
    ['quorum', -1, 5, '4.1.8', 5],
    ['classic', 3, 3, '4.1.0', undefined],
    [undefined, undefined, undefined, '4.1.0', undefined],
  ])(
    'of type %s with argument %s and policy %s on RabbitMQ %s is %s',
    (type, argument, policy, version, limit) => {
      expect(deliveryLimitOf(type, argument, policy, version)).toBe(limit);
    },
  );

  it.skipIf(!rabbitInstalled)('that a policy sets is in the survey', async () => {
    const { url, managementUrl } = await sharedRabbit();
    const { transport } = open(url);
    const name = unique('limited');
    await transport.apply({ ...EMPTY_TOPOLOGY, queues: [queue(name, { 'x-queue-type': 'quorum' })] });
    const { username, password } = new URL(url);
    const policy = (method: string, body?: object) =>
      fetch(`${managementUrl}/api/policies/%2F/${name}`, {
        method,
        headers: { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` },
        ...(body && { body: JSON.stringify(body) }),
      });
    onTestFinished(async () => {
      await policy('DELETE');
      await transport.remove({ queues: [name] });
    });
    const definition = { pattern: `^${name}$`, definition: { 'delivery-limit': 4 }, 'apply-to': 'queues' };
    expect((await policy('PUT', definition)).ok).toBe(true);
    await eventually('the survey tells', async () => {
      const survey = await transport.survey();
      return (
        survey.state === 'known' && survey.queues.find((each) => each.name === name)?.deliveryLimit === 4
      );
    });
  });
});
