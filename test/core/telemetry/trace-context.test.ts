import { describe, expect, it } from 'vitest';
import type { Envelope } from '../../../src/core/events/envelope.js';
import { spanContextOf, withSpanContext } from '../../../src/core/telemetry/trace-context.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';
const envelope: Envelope = { id: 'e', type: 'a.b', version: 1, time: '', data: {} };

it.each(['00', '01', '03', '0b', 'ff'])('flags %s are read and written as hexadecimal digits', (flags) => {
  const traceparent = `00-${TRACE}-${SPAN}-${flags}`;
  const context = spanContextOf({ traceparent });
  expect(context).toEqual({
    traceId: TRACE,
    spanId: SPAN,
    traceFlags: Number(`0x${flags}`),
    isRemote: true,
  });
  expect(withSpanContext(envelope, context)).toEqual({ ...envelope, traceparent });
});

it('a tracestate goes with its traceparent and replaces another', () => {
  const context = spanContextOf({ traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: 'a=1,b=2' });
  const traced = withSpanContext({ ...envelope, tracestate: 'old=1' }, context);
  expect(traced.tracestate).toBe('a=1,b=2');
});

describe('no span', () => {
  it.each([undefined, '', '00-zz', `00-${'0'.repeat(32)}-${SPAN}-01`, `01-${TRACE}-${SPAN}-01`])(
    'is read from %j',
    (traceparent) => {
      expect(spanContextOf({ ...(traceparent !== undefined && { traceparent }) })).toBeUndefined();
    },
  );

  it('leaves the envelope as it is', () => {
    const traced = { ...envelope, traceparent: `00-${TRACE}-${SPAN}-01` };
    expect(withSpanContext(traced, undefined)).toBe(traced);
    const invalid = { traceId: '0'.repeat(32), spanId: '0'.repeat(16), traceFlags: 0 };
    expect(withSpanContext(traced, invalid)).toBe(traced);
  });
});
