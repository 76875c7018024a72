/** Messages that RabbitMQ would answer by closing the channel, and so hurt every publish in flight. */
import { EventsError } from '../../core/errors.js';
import type { OutgoingMessage } from '../../core/message.js';

/** Largest TTL that RabbitMQ takes: 2^32 - 1 milliseconds. */
const MAX_EXPIRATION = 4_294_967_295;

/** The reason to refuse `message` before it is sent, or undefined. */
export function refusal(message: OutgoingMessage, user: string): EventsError | undefined {
  const { userId, expiration } = message.properties;
  if (userId !== undefined && userId !== user) {
    return new EventsError(
      'publish-refused',
      `The message's userId is "${userId}", the connection's user is "${user}"`,
      {
        hint: 'RabbitMQ takes no other user id than that of the connection. Leave userId out.',
      },
    );
  }
  if (expiration !== undefined && !(/^\d+$/.test(expiration) && Number(expiration) <= MAX_EXPIRATION)) {
    return new EventsError(
      'publish-refused',
      `The message's expiration "${expiration}" is not a number of milliseconds`,
      {
        hint: 'Give a whole number from 0 to 4294967295, as a string.',
      },
    );
  }
  return undefined;
}
