import { describe, expect, it } from 'vitest';
import { inequivalence } from '../../../src/transports/amqp/inequivalence.js';

describe('the difference that a 406 names', () => {
  it.each([
    [
      "PRECONDITION_FAILED - inequivalent arg 'x-dead-letter-exchange' for queue 'q' in vhost '/': received the value 'a' of type 'longstr' but current is none",
      { attribute: 'x-dead-letter-exchange', desired: 'a', actual: undefined },
    ],
    [
      "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received none but current is the value '5000' of type 'signedint'",
      { attribute: 'x-message-ttl', desired: undefined, actual: 5000 },
    ],
    [
      "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/': received 'true' but current is 'false'",
      { attribute: 'durable', desired: true, actual: false },
    ],
    [
      "PRECONDITION_FAILED - inequivalent arg 'auto_delete' for exchange 'x' in vhost '/': received 'true' but current is 'false'",
      { attribute: 'autoDelete', desired: true, actual: false },
    ],
    [
      "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'it's' in vhost '/': received 'topic' but current is 'direct'",
      { attribute: 'type', desired: 'topic', actual: 'direct' },
    ],
  ])('%s', (text, expected) => {
    expect(inequivalence(text)).toEqual(expected);
  });

  it('values printed without their type have that of the value asked for', () => {
    const text =
      "PRECONDITION_FAILED - inequivalent arg 'x-a' for queue 'q' in vhost '/': received '5000' but current is '60000'";
    expect(inequivalence(text, { 'x-a': 5000 })).toEqual({ attribute: 'x-a', desired: 5000, actual: 60_000 });
    expect(inequivalence(text, { 'x-a': '5000' })).toEqual({
      attribute: 'x-a',
      desired: '5000',
      actual: '60000',
    });
  });

  it('is nothing when the broker speaks of something else', () => {
    expect(inequivalence("PRECONDITION_FAILED - queue 'q' in vhost '/' in use")).toBeUndefined();
  });
});
