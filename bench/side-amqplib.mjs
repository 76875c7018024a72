/**
 * The rival: amqplib as people write it by hand, without a library between. Bodies are made beforehand and
 * nothing is validated or parsed, so that what is measured is the client and the broker alone.
 */
import { connect } from 'amqplib';
import { EXCHANGE, eventData, QUEUES, TYPE, wireMessage } from './events.mjs';
import { pipelined } from './window.mjs';

const [QUEUE] = QUEUES;

export async function open({ url, window, prefetch }) {
  const connection = await connect(url);
  const publishing = await connection.createConfirmChannel();
  const messages = eventData(1_000).map((data) => wireMessage(data, new Date()));

  return {
    /** Milliseconds for `count` confirmed publishes. */
    async publish(count) {
      const begun = performance.now();
      await pipelined(count, window, (n, done) => {
        const { body, properties } = messages[n % messages.length];
        publishing.publish(EXCHANGE, TYPE, body, properties, done);
      });
      return performance.now() - begun;
    },

    /** Milliseconds to take `count` messages and ack each; the channel's close-ok comes after the last ack. */
    async consume(count) {
      const begun = performance.now();
      const channel = await connection.createChannel();
      await channel.prefetch(prefetch);
      await new Promise((resolve, reject) => {
        let seen = 0;
        const take = (message) => {
          channel.ack(message);
          seen += 1;
          if (seen === count) resolve();
        };
        channel.consume(QUEUE, take).catch(reject);
      });
      await channel.close();
      const elapsed = performance.now() - begun;
      const { messageCount } = await publishing.checkQueue(QUEUE);
      if (messageCount !== 0) throw new Error(`${messageCount} messages left after consuming`);
      return elapsed;
    },

    /** What one message looks like on the wire: takes it from the queue. */
    async wire() {
      const message = await publishing.get(QUEUE, { noAck: true });
      if (message === false) throw new Error('no message to look at');
      const present = Object.entries(message.properties).filter(([, value]) => value !== undefined);
      return {
        bytes: message.content.length,
        properties: present.map(([name, value]) => `${name}: ${kindOf(value)}`).sort(),
      };
    },

    async version() {
      return connection.connection.serverProperties.version;
    },

    async close() {
      await connection.close();
    },
  };
}

/** Length counts, content does not: ids and times differ from message to message. */
function kindOf(value) {
  return typeof value === 'string' ? `${value.length} characters` : typeof value;
}
