import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineCatalog, defineEvent } from '../../../src/core/events/catalog.js';
import { bind, exchange, queue } from '../../../src/core/topology/model.js';
import { tapBindings } from '../../../src/core/topology/tap-bindings.js';

const topology = {
  exchanges: [exchange('t', 'topic'), exchange('d', 'direct'), exchange('f', 'fanout')],
  queues: [queue('q')],
  bindings: [...bind('d', 'q', 'job.start', 'job.stop'), ...bind('t', 'q', '#')],
};
const catalog = defineCatalog(defineEvent({ type: 'job.done', exchange: 'd', schema: z.object({}) }));

describe('bindings of a tap', () => {
  it('are the patterns themselves on a topic exchange, known or not', () => {
    expect(tapBindings(['t', 'unknown'], ['a.*', '#'], topology, catalog)).toEqual([
      { exchange: 't', key: 'a.*' },
      { exchange: 't', key: '#' },
      { exchange: 'unknown', key: 'a.*' },
      { exchange: 'unknown', key: '#' },
    ]);
  });

  it('stand for all known keys on a direct exchange, which knows no patterns', () => {
    expect(tapBindings(['d'], ['job.*'], topology, catalog).map(({ key }) => key)).toEqual([
      'job.*',
      'job.start',
      'job.stop',
      'job.done',
    ]);
  });

  it('are one on a fanout exchange', () => {
    expect(tapBindings(['f'], ['x', 'y'], topology, catalog)).toEqual([{ exchange: 'f', key: '' }]);
  });
});
