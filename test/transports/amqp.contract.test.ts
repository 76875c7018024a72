import { describe } from 'vitest';
import { AMQP_FEATURES, createAmqpTransport } from '../../src/transports/amqp/index.js';
import { findRabbitServer, type RabbitBroker, startRabbit } from '../brokers/rabbitmq.js';
import { describeTransport } from './contract.js';

describe.skipIf(findRabbitServer() === undefined)('on a private RabbitMQ', () => {
  // Not the shared one: this suite cuts connections and kills the broker.
  let started: RabbitBroker | undefined;
  const broker = () => {
    if (started === undefined) throw new Error('RabbitMQ is not running');
    return started;
  };

  describeTransport('amqp', {
    features: AMQP_FEATURES,
    async setup() {
      started = await startRabbit();
    },
    async teardown() {
      await started?.stop();
    },
    open: async (options) => createAmqpTransport(broker().url, options),
    url: () => broker().url,
    interrupt: () => broker().cutConnections(),
    restart: () => broker().restart(),
  });
});
