/** Fact keys and jobs, as definitions name them. */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineCatalog, defineEvent, type EventInput } from '../../../src/core/events/catalog.js';
import { decode, encode } from '../../../src/core/events/codec.js';
import { factKeyOf, factOfMessage, factText, jobKeyOf } from '../../../src/core/events/fact.js';
import { atma } from '../../../src/presets/atma.js';
import { catalogOf, parseConfig } from '../../../src/project/config.js';

const schema = z.object({ sku: z.string().trim(), left: z.number().default(0) });
const stock = (more: Partial<EventInput<'stock.changed', typeof schema>> = {}) =>
  defineEvent({ type: 'stock.changed', exchange: 'stock', schema, ...more });

describe('a fact key', () => {
  it('is what the definition makes of the data, else the event’s id', () => {
    const fact = ({ sku }: { sku: string }) => `stock.changed:${sku}`;
    expect(factKeyOf(stock({ fact }), { sku: 'A-1' }, 'id-1')).toBe('stock.changed:A-1');
    expect(factKeyOf(stock(), { sku: 'A-1' }, 'id-1')).toBe('id-1');
  });

  it('is written in visible ASCII, two names never as one', () => {
    expect(factText('order:4711/B_x-2.~')).toBe('order:4711/B_x-2.~');
    expect(factText('Bäcker 1%\n#\u{1F600}')).toBe('B%C3%A4cker%201%25%0A%23%F0%9F%98%80');
    expect(factText('a b')).not.toBe(factText('a%20b'));
    expect(factKeyOf(stock(), {}, 'an id')).toBe('an%20id');
  });

  it('is never longer than a header may be, and two long names are never one', () => {
    const long = (end: string) => factText(`${'\u{1F600}'.repeat(5_000)}${end}`);
    expect(long('a')).toMatch(/^(%F0%9F%98%80){33}%F0%...[0-9a-f]{64}$/);
    expect(long('a')).toBe(long('a'));
    expect(long('a')).not.toBe(long('b'));
    expect(factText('x'.repeat(500))).toBe('x'.repeat(500));
    expect(factText('x'.repeat(501))).toHaveLength(467);
  });

  it.each([
    ['fails', () => ({}) as { a: { b: string } }, 'failed: Cannot read'],
    ['gives an empty text', () => ({ a: { b: '' } }), 'gave no name'],
  ])('of a function that %s is refused, and says of which event', (_how, make, message) => {
    const fact = () => make().a.b;
    expect(() => factKeyOf(stock({ fact }), { sku: 'A-1' }, 'id-1')).toThrowError(
      expect.objectContaining({
        code: 'config-invalid',
        message: expect.stringMatching(new RegExp(`stock.changed.*${message}`)),
      }),
    );
  });

  it('of a message is named by what was published, not by what the schema made of it', () => {
    for (const wire of ['data', 'flat'] as const) {
      const definition = stock({ wire, fact: (data) => JSON.stringify(data) });
      const catalog = defineCatalog(definition);
      const time = '2026-01-01T00:00:00.000Z';
      const data = { sku: ' A ' };
      const envelope = { id: 'id-1', type: 'stock.changed', version: 1, time, data };
      const message = { ...encode(definition, envelope), redelivered: false };
      const decoded = decode(catalog, message);
      if (!decoded.valid) throw new Error('it is valid');
      expect(decoded.envelope.data).toEqual({ sku: 'A', left: 0 });
      expect(factOfMessage(catalog, decoded.envelope, message)).toBe(factText('{"sku":" A "}'));
    }
  });
});

describe('a job', () => {
  it('is what the definition names, or none', () => {
    expect(jobKeyOf(stock({ job: ({ sku }) => sku }), { sku: 'A-1' })).toBe('A-1');
    expect(jobKeyOf(stock({ job: () => undefined }), { sku: 'A-1' })).toBeUndefined();
    expect(jobKeyOf(stock({ job: () => '' }), { sku: 'A-1' })).toBeUndefined();
    expect(jobKeyOf(stock(), { sku: 'A-1' })).toBeUndefined();
  });

  it('whose function fails is refused, and says of which event', () => {
    const job = ({ sku }: { sku: string }) => sku.slice(1);
    expect(() => jobKeyOf(stock({ job }), {})).toThrowError(
      expect.objectContaining({
        code: 'config-invalid',
        message: expect.stringContaining('The job function of stock.changed failed'),
      }),
    );
  });
});

describe('the events of ATMA', () => {
  it.each([
    [
      'analysis.completed',
      'analysis.completed:3f8a2c1e-6b7d-4e5f-9a0b-1c2d3e4f5a6b:1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed',
    ],
    ['analysis.failed', 'analysis.failed:3f8a2c1e-6b7d-4e5f-9a0b-1c2d3e4f5a6b'],
    ['analysis.started', 'analysis.started:3f8a2c1e-6b7d-4e5f-9a0b-1c2d3e4f5a6b'],
  ])('of type %s name their fact and their job', (type, fact) => {
    const definition = atma.build({}).catalog.get(type);
    expect(factKeyOf(definition, definition.sample, 'id-1')).toBe(fact);
    expect(jobKeyOf(definition, definition.sample)).toBe('3f8a2c1e-6b7d-4e5f-9a0b-1c2d3e4f5a6b');
  });
});

describe('an event of a config file', () => {
  it('names fact and job, whether it was defined before or not', () => {
    const input = {
      type: 'stock.changed',
      exchange: 'stock',
      schema,
      fact: ({ sku }: { sku: string }) => `f:${sku}`,
      job: ({ sku }: { sku: string }) => `j:${sku}`,
    };
    for (const event of [input, defineEvent(input)]) {
      const definition = catalogOf(parseConfig({ events: [event] }, 'x.ts')).get('stock.changed');
      expect(factKeyOf(definition, { sku: 'A' }, 'id-1')).toBe('f:A');
      expect(jobKeyOf(definition, { sku: 'A' })).toBe('j:A');
    }
    expect(() => parseConfig({ events: [{ ...input, fact: 'f' }] }, 'x.ts')).toThrowError(
      expect.objectContaining({ issues: [{ path: 'events.0.fact', message: 'expected a function' }] }),
    );
  });
});
