import { describe, expect, it } from 'vitest';
import { knownText } from '../../../src/transports/amqp/known-text.js';

function read(text: string): string {
  const bytes = Buffer.from(`<<${text}>>`);
  return knownText(bytes, 2, bytes.length - 2);
}

describe('texts that come again and again', () => {
  it('is the text, the first time and every other', () => {
    for (const text of [
      '',
      'x-death',
      'größe',
      '\ud83d\ude80',
      'x'.repeat(64),
      'x'.repeat(65),
      'x'.repeat(5_000),
    ]) {
      expect(read(text)).toBe(text);
      expect(read(text)).toBe(text);
    }
  });

  it('does not mix up what falls into one slot', () => {
    const texts = Array.from({ length: 20_000 }, (_, index) => `queue-${index}`);
    for (const text of [...texts, ...texts]) expect(read(text)).toBe(text);
  });

  it('keeps a copy: the buffer it was read from may be written anew', () => {
    const bytes = Buffer.from('analysis.completed');
    expect(knownText(bytes, 0, bytes.length)).toBe('analysis.completed');
    bytes.write('analysis.cancelled');
    expect(knownText(bytes, 0, bytes.length)).toBe('analysis.cancelled');
    expect(read('analysis.completed')).toBe('analysis.completed');
  });

  it('replaces what is not UTF-8', () => {
    expect(knownText(Buffer.from([0x61, 0xff]), 0, 2)).toBe('a\ufffd');
    expect(knownText(Buffer.from([0x61, 0xff]), 0, 2)).toBe('a\ufffd');
  });
});
