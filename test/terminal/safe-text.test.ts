import { describe, expect, it } from 'vitest';
import { hideEmails, hidePasswords, safeLine } from '../../src/terminal/safe-text.js';

describe('untrusted text', () => {
  it('cannot drive a terminal', () => {
    expect(safeLine('a\u001b[2Jb\u0007\u009bc\u007f\u202ed\u2028e\n\tf')).toBe(
      'a\\x1b[2Jb\\x07\\x9bc\\x7f\\u202ed\\u2028e\\n\\tf',
    );
  });

  it('keeps every printable character, also beyond the basic plane', () => {
    expect(safeLine('Halo dunia, 你好 🎉 é')).toBe('Halo dunia, 你好 🎉 é');
  });

  it('shows a lone surrogate instead of printing it', () => {
    expect(safeLine('x\ud800y')).toBe('x\\ud800y');
  });
});

describe('secrets', () => {
  it.each([
    ['amqp://guest:guest@localhost:5672/v', 'amqp://guest:***@localhost:5672/v'],
    ['x amqps://u:p%40ss:w/rd@h y', 'x amqps://u:***@h y'],
    ['amqp://:secret@h', 'amqp://:***@h'],
    ['http://user@host', 'http://user@host'],
    ['amqp://u:p@ss@host/x', 'amqp://u:***@host/x'],
  ])('passwords go from %s', (text, hidden) => {
    expect(hidePasswords(text)).toBe(hidden);
  });

  it('hides the person in an e-mail address', () => {
    expect(hideEmails('{"userEmail":"budi.s+x@mail.example.co.id"} @ a@b')).toBe(
      '{"userEmail":"***@mail.example.co.id"} @ a@b',
    );
  });
});
