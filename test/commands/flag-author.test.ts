import { describe, expect, it } from 'vitest';
import { authorOf, reasonOf } from '../../src/commands/flag-author.js';

const login = { user: 'root', host: 'worker-3' };

describe('who moves the flag', () => {
  it.each([
    ['rina', { ATMA_EVENTS_USER: 'a', SUDO_USER: 'b' }, 'rina on worker-3'],
    [undefined, { ATMA_EVENTS_USER: 'a', SUDO_USER: 'b' }, 'a on worker-3'],
    [undefined, { ATMA_EVENTS_USER: ' ', SUDO_USER: 'b' }, 'b on worker-3'],
    [undefined, {}, 'root on worker-3'],
    ['', { SUDO_USER: '' }, 'root on worker-3'],
  ])('is %j with %j: %s', (by, environment, author) => {
    expect(authorOf(by, environment, login)).toBe(author);
  });

  it('is somebody where nobody knows', () => {
    expect(authorOf(undefined, {}, { user: undefined, host: 'pod-1' })).toBe('somebody on pod-1');
  });

  it('is one line without control characters or an address', () => {
    expect(authorOf('rina@example.com\u001b[2J\n', {}, login)).toBe('***@example.com\\x1b[2J on worker-3');
  });
});

describe('a reason', () => {
  it('is one line, without secrets', () => {
    expect(reasonOf('  see amqp://u:geheim@h\n\nof rina@example.com ')).toBe(
      'see amqp://u:***@h of ***@example.com',
    );
    expect(reasonOf(undefined)).toBe('');
  });
});
