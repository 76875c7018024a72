import { describe, expect, it } from 'vitest';
import { parseAddress, redact } from '../../../src/transports/amqp/address.js';

describe('an AMQP URL', () => {
  it.each([
    ['amqp://h', { host: 'h', port: 5672, vhost: '/', user: 'guest', password: 'guest', scheme: 'amqp' }],
    ['amqps://h', { port: 5671, scheme: 'amqps' }],
    ['amqp://u:p%40%2F@h:1/v%2Fw', { user: 'u', password: 'p@/', port: 1, vhost: 'v/w' }],
    ['amqp://h/', { vhost: '/' }],
    ['amqp://h/%2F', { vhost: '/' }],
    ['amqp://[::1]:5673', { host: '::1', port: 5673 }],
    ['amqp://h?heartbeat=30&channel_max=7', { heartbeat: 30, channelMax: 7 }],
    ['amqps://h?verify=verify_none&cacertfile=/ca.pem', { verify: false, caFile: '/ca.pem' }],
    ['amqps://h?server_name_indication=rabbit', { verify: true, serverName: 'rabbit' }],
  ])('%s is taken apart', (url, expected) => {
    expect(parseAddress(url)).toMatchObject(expected);
  });

  it('is printed without its password', () => {
    expect(parseAddress('amqp://me:secret@h:5672/a%2Fb?heartbeat=5').printable).toBe(
      'amqp://me:***@h:5672/a%2Fb',
    );
  });

  it.each([
    'amqp://u:se%ZZcret@h',
    'amqp://u:secret@h:99999',
    'http://u:secret@h',
    'amqp://h?heartbeat=soon',
  ])('%s is refused without repeating it', (url) => {
    expect(() => parseAddress(url)).toThrow(expect.objectContaining({ code: 'usage' }));
    expect(() => parseAddress(url)).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('cret') }),
    );
  });

  it('redaction finds the password in clear and percent-encoded', () => {
    const address = parseAddress('amqp://u:p%40ss%20word@h');
    const text = redact('p@ss word, p%40ss%20word, amqp://other:pw@h', address);
    expect(text).toBe('***, ***, amqp://other:***@h');
  });
});
