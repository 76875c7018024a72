import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createTerminal } from '../../src/terminal/io.js';
import { startProgress } from '../../src/terminal/progress.js';

function line(isTTY: boolean, quiet = false, name = 'orders_dlq') {
  const stderr = Object.assign(new PassThrough(), { isTTY });
  const streams = {
    stdin: new PassThrough(),
    stdout: new PassThrough(),
    stderr,
    environment: {},
    directory: '/',
  };
  const terminal = createTerminal(streams, { colour: false, input: true, quiet, debug: false });
  let at = 0;
  const start = (words?: { done: string; failed: string }) =>
    startProgress(terminal, name, quiet, () => at, words);
  return {
    start,
    pass: (ms: number) => {
      at += ms;
    },
    shown: () => String(stderr.read() ?? ''),
  };
}

describe('progress', () => {
  it('names the unit of how far it is', () => {
    const { start, pass, shown } = line(true, false, 'comparing');
    const progress = start({ done: 'observations', failed: 'unreadable' });
    pass(1000);
    progress.update(90_000, 0, { seen: 30, total: 120, unit: ' MB' });
    expect(shown()).toBe('\r\x1b[Kcomparing: 90000 observations, 90000/s, 30 of 120 MB, 3 s left');
  });

  it('shows count and rate, and clears its line', () => {
    const { start, pass, shown } = line(true);
    const progress = start();
    progress.update(5, 0);
    expect(shown()).toBe('');
    pass(1000);
    progress.update(100, 2);
    expect(shown()).toBe('\r\x1b[Korders_dlq: 100 confirmed, 2 failed, 100/s');
    progress.stop();
    expect(shown()).toBe('\r\x1b[K');
  });

  it.each([
    [50, 100, '1 s'],
    [1, 61, '60 s'],
    [1, 301, '5 min'],
    [1, 8001, '2 h 13 min'],
  ])('with %i of %i seen in a second shows %s left', (seen, total, time) => {
    const { start, pass, shown } = line(true);
    const progress = start({ done: 'replayed', failed: 'died again' });
    pass(1000);
    progress.update(1, 1, { seen, total });
    expect(shown()).toBe(
      `\r\x1b[Korders_dlq: 1 replayed, 1 died again, 1/s, ${seen} of ${total}, ${time} left`,
    );
  });

  it('lets no queue name drive the terminal, and hides addresses in it', () => {
    const { start, pass, shown } = line(true, false, 'a\u001b[2J\nb budi@example.com');
    const progress = start();
    pass(1000);
    progress.update(1, 0);
    expect(shown()).toBe('\r\x1b[Ka\\x1b[2J\\nb ***@example.com: 1 confirmed, 1/s');
  });

  it('is silent where nobody looks', () => {
    for (const { start, pass, shown } of [line(false), line(true, true)]) {
      const progress = start();
      pass(1000);
      progress.update(1, 0, { seen: 1, total: 2 });
      progress.stop();
      expect(shown()).toBe('');
    }
  });
});
