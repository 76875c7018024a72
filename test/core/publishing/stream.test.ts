import { describe, expect, it } from 'vitest';
import { EventsError } from '../../../src/core/errors.js';
import type { OutgoingMessage } from '../../../src/core/message.js';
import { publishStream, type StreamItem } from '../../../src/core/publishing/stream.js';

const message = (body: string): OutgoingMessage => ({
  exchange: 'e',
  routingKey: 'k',
  body: Buffer.from(body),
  properties: {},
});
const items = (...lines: (string | EventsError)[]): StreamItem[] =>
  lines.map((each, at) =>
    typeof each === 'string' ? { line: at + 1, message: message(each) } : { line: at + 1, error: each },
  );

async function* batches(...all: StreamItem[][]) {
  yield* all;
}

describe('a stream of messages', () => {
  it('counts every outcome and goes on past what is wrong with a single line', async () => {
    const report = await publishStream(
      {
        async publish({ body }) {
          if (body.toString() === 'unroutable') throw new EventsError('unroutable', 'no queue');
          if (body.toString() === 'refused') throw new EventsError('publish-refused', 'full');
        },
      },
      batches(items('a', new EventsError('event-invalid', 'bad'), 'unroutable', 'refused', 'b')),
    );
    expect(report).toMatchObject({ published: 4, confirmed: 2, returned: 1, failed: 2 });
    expect(report.errors.map(({ line, error }) => [line, error.code])).toEqual([
      [2, 'event-invalid'],
      [3, 'unroutable'],
      [4, 'publish-refused'],
    ]);
    expect(report.stopped).toBeUndefined();
    expect(report.continueFrom).toBeUndefined();
  });

  it('stops when the broker goes, and names the first line without an outcome although later ones were confirmed', async () => {
    const report = await publishStream(
      {
        async publish({ body }) {
          if (body.toString() === 'lost') throw new EventsError('publish-unknown', 'connection lost');
        },
      },
      batches(items('a', 'lost', 'c'), items('d')),
      { maxInFlight: 3 },
    );
    expect(report.stopped).toBe('broker');
    expect(report.continueFrom).toBe(2);
    expect(report.confirmed).toBe(2);
    expect(report.published).toBe(3);
  });

  it('stops after too many errors', async () => {
    const bad = Array.from({ length: 10 }, () => new EventsError('event-invalid', 'bad'));
    const report = await publishStream({ publish: async () => {} }, batches(items(...bad)), { maxErrors: 4 });
    expect(report).toMatchObject({ stopped: 'errors', failed: 4, continueFrom: 1 });
  });

  it('sends nothing more once interrupted, and waits for what is in flight', async () => {
    const controller = new AbortController();
    const confirms: (() => void)[] = [];
    const running = publishStream(
      {
        publish: () => {
          controller.abort();
          return new Promise<void>((resolve) => confirms.push(resolve));
        },
      },
      batches(items('a', 'b', 'c')),
      { signal: controller.signal },
    );
    let done = false;
    void running.then(() => {
      done = true;
    });
    await new Promise(setImmediate);
    expect(done).toBe(false);
    for (const confirm of confirms) confirm();
    await expect(running).resolves.toMatchObject({
      published: 1,
      confirmed: 1,
      stopped: 'interrupted',
      continueFrom: 2,
    });
  });

  it('never has more in flight than allowed', async () => {
    let inFlight = 0;
    let most = 0;
    await publishStream(
      {
        async publish() {
          most = Math.max(most, ++inFlight);
          await new Promise(setImmediate);
          inFlight--;
        },
      },
      batches(items(...Array.from({ length: 100 }, (_, n) => String(n)))),
      { maxInFlight: 7 },
    );
    expect(most).toBe(7);
  });

  it('that fails itself does not take the account with it', async () => {
    async function* source() {
      yield items('a', 'b');
      throw new Error('EIO: i/o error');
    }
    const report = await publishStream({ publish: async () => {} }, source());
    expect(report).toMatchObject({
      published: 2,
      confirmed: 2,
      failed: 0,
      stopped: 'source',
      continueFrom: 3,
    });
    expect(report.errors).toMatchObject([{ line: 3, error: { code: 'input-invalid' } }]);
  });

  it('notices that the broker went although its source is silent', async () => {
    let returned = false;
    const source: AsyncIterable<StreamItem[]> = {
      [Symbol.asyncIterator]: () => {
        let asked = 0;
        return {
          next: () => (asked++ === 0 ? Promise.resolve({ value: items('a') }) : new Promise<never>(() => {})),
          async return() {
            returned = true;
            return { value: undefined, done: true };
          },
        };
      },
    };
    const report = await publishStream(
      { publish: () => Promise.reject(new EventsError('publish-unknown', 'connection lost')) },
      source,
    );
    expect(report).toMatchObject({ stopped: 'broker', continueFrom: 1, failed: 1 });
    expect(returned).toBe(true);
  });

  it('that was resumed names a line of its own, also when it sent nothing', async () => {
    const aborted = AbortSignal.abort();
    const report = await publishStream(
      { publish: async () => {} },
      batches([{ line: 40, message: message('x') }]),
      { firstLine: 40, signal: aborted },
    );
    expect(report).toMatchObject({ published: 0, stopped: 'interrupted', continueFrom: 40 });
  });
});
