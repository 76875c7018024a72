/** What files of a comparison may hold: lines that cannot be read, gaps, disorder, HARs. */
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { type CompareOptions, compareRecords } from '../../src/shadow/compare.js';
import { jsonLines } from '../../src/shadow/json-lines.js';
import { SHADOW, TOPOLOGY } from './scene.js';
import { bytesOf, generateTraffic, harEntry, type Line, START } from './traffic.js';

async function* texts(...chunks: (string | Buffer)[]): AsyncGenerator<Buffer> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

async function readAll(stream: AsyncIterable<Uint8Array>) {
  const lines = jsonLines(stream);
  const found: [number, unknown][] = [];
  while (await lines.read()) {
    for (let line = lines.next(); line !== undefined; line = lines.next()) {
      found.push([line.number, 'value' in line.parsed ? line.parsed.value : line.parsed]);
    }
  }
  return found;
}

describe('lines of JSON', () => {
  test('are the same however the bytes are cut', async () => {
    const whole = Buffer.from('\uFEFF{"a":"é"}\r\n\n  \n[1]\n"ä€😀"\n{"last":true}');
    const expected = [
      [1, { a: 'é' }],
      [4, [1]],
      [5, 'ä€😀'],
      [6, { last: true }],
    ];
    for (let size = 1; size <= whole.length; size++) {
      const chunks = Array.from({ length: Math.ceil(whole.length / size) }, (_, n) =>
        whole.subarray(n * size, (n + 1) * size),
      );
      expect(await readAll(texts(...chunks))).toEqual(expected);
    }
  });

  test('that cannot be read are told with their number, and none of their content', async () => {
    const found = await readAll(
      texts('{"a":1}\n{"secret": budi}\n', Buffer.from([0x22, 0xff, 0x22, 0x5d]), '\n{}\n'),
    );
    expect(found).toEqual([
      [1, { a: 1 }],
      [2, { problem: expect.stringContaining('Unexpected token') }],
      [3, { problem: 'not UTF-8 text' }],
      [4, {}],
    ]);
    expect(JSON.stringify(found)).not.toContain('budi');
  });

  test('that never end are skipped, not kept', async () => {
    async function* endless() {
      const piece = Buffer.alloc(1024 * 1024, 'x');
      yield Buffer.from('1\n');
      for (let n = 0; n < 40; n++) yield piece;
      yield Buffer.from('x\n2\n');
    }
    expect(await readAll(endless())).toEqual([
      [1, 1],
      [2, { problem: 'longer than 16 MiB' }],
      [3, 2],
    ]);
  });
});

const TRAFFIC = generateTraffic({ seed: 8, days: 1, jobs: 200 });

function compare(
  callbacks: AsyncIterable<Uint8Array>,
  events: AsyncIterable<Uint8Array>,
  options: Partial<CompareOptions> = {},
) {
  return compareRecords({
    mapping: SHADOW,
    topology: TOPOLOGY,
    callbacks,
    events,
    budgetMs: 5_000,
    ...options,
  });
}

async function* withLines(lines: readonly Line[], at: number, ...more: string[]): AsyncGenerator<Buffer> {
  yield* bytesOf(lines.slice(0, at));
  yield Buffer.from(`${more.join('\n')}\n`);
  yield* bytesOf(lines.slice(at));
}

describe('a comparison', () => {
  test('tells of lines that it could not read, and takes what is missing there for a gap', async () => {
    // The line of one event is damaged: its legs lack it, and must not count against the publisher.
    const at = TRAFFIC.events.findIndex(
      ({ record }) => 'type' in record && record.type === 'analysis.completed',
    );
    const rest = TRAFFIC.events.toSpliced(at, 1);
    const events = withLines(
      rest,
      at,
      '{"receivedAt": "2024-01-01T00:00:00Z", "exch',
      '{"receivedAt":"yesterday"}',
    );
    const result = await compare(bytesOf(TRAFFIC.callbacks), events);
    expect(result.unreadable).toBe(2);
    expect(result.errors).toMatchObject([
      { file: 'events', line: at + 1, problem: expect.stringMatching(/^Not JSON: /) },
      { file: 'events', line: at + 2, problem: 'Not a recorded event: "receivedAt" is not an ISO 8601 time' },
    ]);
    expect(result.doubts).toMatchObject([
      expect.stringContaining(`2 lines could not be read, the first in events, line ${at + 1}`),
    ]);
    expect(result.gaps).toMatchObject([{ source: 'events' }]);
    expect(result.counts.totals.missingEvent).toBe(2);
    expect(result.counts.strata.every(({ bad }) => bad === 0)).toBe(true);
    expect(result.findings).toMatchObject([{ evidence: 'none' }, { evidence: 'none' }]);
  });

  test('knows the gaps that a recorder noted', async () => {
    const gap = { from: new Date(START).toISOString(), to: new Date(START + 1_000).toISOString() };
    const events = withLines(TRAFFIC.events, 5, JSON.stringify({ gap }));
    const result = await compare(bytesOf(TRAFFIC.callbacks), events);
    expect(result.gaps).toEqual([{ source: 'events', from: START, to: START + 1_000 }]);
    expect(result.unreadable).toBe(0);
  });

  test('doubts files that are out of order by more than legs are remembered', async () => {
    const [first, ...rest] = TRAFFIC.events;
    if (first === undefined) throw new Error('no events');
    const result = await compare(bytesOf(TRAFFIC.callbacks), bytesOf([...rest, first]));
    expect(result.disorder).toMatchObject([{ file: 'events', lines: 1, firstLine: TRAFFIC.events.length }]);
    expect(result.doubts).toMatchObject([expect.stringContaining('Sort the file by time')]);
    const whole = await compare(bytesOf(TRAFFIC.callbacks), bytesOf(TRAFFIC.events));
    expect(whole.doubts).toEqual([]);
  });

  test('bears a file that is half an hour out of order without a doubt', async () => {
    const at = TRAFFIC.events.findIndex((line) => line.at > START + 30 * 60_000);
    const moved = [
      ...TRAFFIC.events.slice(1, at),
      ...TRAFFIC.events.slice(0, 1),
      ...TRAFFIC.events.slice(at),
    ];
    const result = await compare(bytesOf(TRAFFIC.callbacks), bytesOf(moved));
    expect(result.disorder).toHaveLength(1);
    expect(result.doubts).toEqual([]);
    expect(result.counts.totals).toMatchObject({
      match: 800,
      mismatch: 0,
      missingEvent: 0,
      missingCallback: 0,
    });
  });

  test('reads callbacks from a HAR, whatever its order', async () => {
    const entries = TRAFFIC.callbacks
      .toReversed()
      .map(({ record }) => harEntry(record as Record<string, unknown>));
    const har = texts(JSON.stringify({ log: { version: '1.2', entries } }));
    const result = await compare(har, bytesOf(TRAFFIC.events));
    expect(result.counts.totals).toMatchObject({ match: 800, missingCallback: 0, extra: 0 });
  });

  test('of two empty files has nothing, and says what it covers', async () => {
    const result = await compare(texts(), texts('\n'));
    expect(result.counts.totals).toMatchObject({ match: 0, extra: 0, pending: 0 });
    expect(result.coverage).toEqual({
      callbacks: { lines: 0, from: null, to: null },
      events: { lines: 0, from: null, to: null },
    });
  });

  test('ends when its signal says so, and lets go of the files', async () => {
    const callbacks = Readable.from(bytesOf(TRAFFIC.callbacks));
    const stop = new AbortController();
    const ended = compare(callbacks, bytesOf(TRAFFIC.events), {
      signal: stop.signal,
      onProgress: () => stop.abort(new Error('enough')),
    });
    await expect(ended).rejects.toThrow('enough');
    expect(callbacks.destroyed).toBe(true);
  });

  test('ends with the error of a file that cannot be read on', async () => {
    async function* broken() {
      yield* bytesOf(TRAFFIC.events.slice(0, 10));
      throw new Error('disk gone');
    }
    await expect(compare(bytesOf(TRAFFIC.callbacks), broken())).rejects.toThrow('disk gone');
  });
});

test('a time that no date can have is a line that cannot be read', async () => {
  const { errors, unreadable } = await compare(
    texts(`{"at":9e15,"method":"POST","path":"/","body":null,"status":200}\n`),
    bytesOf(TRAFFIC.events),
  );
  expect({ errors, unreadable }).toEqual({
    errors: [
      { file: 'callbacks', line: 1, problem: 'Not a recorded callback: "at" is not an ISO 8601 time' },
    ],
    unreadable: 1,
  });
});

test('clocks that look apart are told where every event is off by the same, and not else', async () => {
  const ahead = TRAFFIC.events.map(({ at, record }) => ({
    at: at + 40_000,
    record: { ...record, receivedAt: new Date(at + 40_000).toISOString() },
  }));
  const { summary } = await compare(bytesOf(TRAFFIC.callbacks), bytesOf(ahead));
  const { basis, offsetMs } = summary.skew ?? {};
  expect(basis).toBe('side-by-side');
  expect(Math.abs((offsetMs ?? 0) - 40_100)).toBeLessThan(500);
  expect((await compare(bytesOf(TRAFFIC.callbacks), bytesOf(TRAFFIC.events))).summary.skew).toBeNull();
});

test('a field whose name holds an address is told without it', async () => {
  const callbacks = TRAFFIC.callbacks.map(({ at, record }) => {
    const { body } = record as { body: object };
    return { at, record: { ...record, body: { ...body, 'budi@example.com': 1 } } };
  });
  const { unmapped } = await compare(bytesOf(callbacks), bytesOf(TRAFFIC.events));
  expect(new Set(unmapped.map(({ path }) => path))).toEqual(new Set(['***@example.com']));
  expect(unmapped.reduce((sum, { count }) => sum + count, 0)).toBe(400);
});

test('fields that the mapping does not know are told, once each, with their number', async () => {
  const callbacks = TRAFFIC.callbacks.map(({ at, record }) => {
    const { body } = record as { body: object };
    return { at, record: { ...record, body: { ...body, traceId: 'x', nested: { a: 1 } } } };
  });
  const { unmapped } = await compare(bytesOf(callbacks), bytesOf(TRAFFIC.events));
  expect(new Set(unmapped.map(({ side, path }) => `${side} ${path}`))).toEqual(
    new Set(['callback traceId', 'callback nested']),
  );
  expect(unmapped.reduce((sum, { count }) => sum + count, 0)).toBe(2 * 400);
});
