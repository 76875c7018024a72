import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createTerminal } from '../../src/terminal/io.js';
import { type Choice, checkbox, confirm, input, select } from '../../src/terminal/prompt.js';
import { eventually } from '../await.js';

function person() {
  const stdin = Object.assign(new PassThrough(), { isTTY: true });
  const stdout = new PassThrough();
  const stderr = Object.assign(new PassThrough(), { isTTY: true, columns: 120, rows: 40 });
  let shown = '';
  stderr.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
  });
  const streams = { stdin, stdout, stderr, environment: {}, directory: '/' };
  const terminal = createTerminal(streams, { colour: false, input: true, quiet: false, debug: false });
  const text = () => stripVTControlCharacters(shown);
  return {
    terminal,
    signal: new AbortController().signal,
    raw: () => shown,
    shows: (expected: string) => eventually(`"${expected}" is shown`, () => text().includes(expected)),
    types: (...keys: string[]) => {
      for (const key of keys) stdin.write(key);
    },
    stdout: () => stdout.read(),
  };
}

const DOWN = '\x1b[B';
type Colour = { readonly id: number };
const COLOURS: readonly [Choice<Colour>, ...Choice<Colour>[]] = [
  { value: { id: 1 }, name: 'red' },
  { value: { id: 2 }, name: 'green' },
  { value: { id: 3 }, name: 'blue', checked: true },
];

describe('a question to the person at the terminal', () => {
  it('is answered with yes or no, and Enter means what was said', async () => {
    for (const [keys, yes, expected] of [
      ['y\r', false, true],
      ['n\r', true, false],
      ['\r', true, true],
    ] as const) {
      const { terminal, signal, shows, types } = person();
      const answer = confirm(terminal, 'Go on?', yes, signal);
      await shows('Go on?');
      types(keys);
      expect(await answer).toBe(expected);
    }
  });

  it('takes any number of choices, in their order', async () => {
    const { terminal, signal, shows, types } = person();
    const answer = checkbox(terminal, 'Which?', COLOURS, signal);
    await shows('blue');
    types(' ', '\r');
    expect(await answer).toEqual([{ id: 1 }, { id: 3 }]);
  });

  it('takes one choice', async () => {
    const { terminal, signal, shows, types } = person();
    const answer = select(terminal, 'Which one?', COLOURS, signal);
    await shows('blue');
    types(DOWN, '\r');
    expect(await answer).toEqual({ id: 2 });
  });

  it('asks for a text until it is the right one', async () => {
    const { terminal, signal, shows, types } = person();
    const check = (text: string) => (text === 'orders' ? undefined : 'Type orders.');
    const answer = input(terminal, 'Name?', check, signal);
    await shows('Name?');
    types('x', '\r');
    await shows('Type orders.');
    types('\x7f', 'orders', '\r');
    expect(await answer).toBe('orders');
  });

  it('ends as interrupted on Ctrl-C and on a signal', async () => {
    const { terminal, signal, shows, types } = person();
    const answer = select(terminal, 'Which one?', COLOURS, signal);
    await shows('Which one?');
    types('\x03');
    await expect(answer).rejects.toMatchObject({ code: 'interrupted' });

    const other = person();
    const controller = new AbortController();
    const asked = input(other.terminal, 'Name?', () => undefined, controller.signal);
    await other.shows('Name?');
    controller.abort();
    await expect(asked).rejects.toMatchObject({ code: 'interrupted' });
  });

  it('shows nothing that drives the terminal, and nobody’s address; stdout stays a result', async () => {
    const { terminal, signal, shows, types, raw, stdout } = person();
    const hostile = { value: 1, name: 'budi@example.com \x1b]0;owned\x07' };
    const answer = checkbox(terminal, 'Which of \x1b[31m?', [hostile], signal);
    await shows('***@example.com');
    types(' ', '\r');
    expect(await answer).toEqual([1]);
    expect(raw()).not.toContain('\x1b]0;');
    expect(raw()).not.toContain('budi');
    expect(raw()).toContain('Which of \\x1b[31m?');
    expect(stdout()).toBeNull();
  });
});
