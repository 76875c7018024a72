import { describe, expect, it } from 'vitest';
import { callbacksOfHar, isHar } from '../../src/legacy/har.js';

const har = (...entries: unknown[]) =>
  JSON.stringify({ log: { version: '1.2', creator: { name: 'x', version: '1' }, entries } });

const entry = (request: object, response: object = { status: 200, content: { size: 0 } }) => ({
  startedDateTime: '2026-03-01T10:00:00.123+07:00',
  time: 12.5,
  request: {
    method: 'POST',
    url: 'http://user:pw@notification:3005/notifications/analysis-complete?a=1#top',
    httpVersion: 'HTTP/1.1',
    headers: [
      { name: 'X-Service-Key', value: 'secret' },
      { name: 'Content-Type', value: 'application/json' },
    ],
    ...request,
  },
  response,
  cache: {},
  timings: {},
});

describe('a HAR file', () => {
  it('gives a record for each entry, in its order, like those of the proxy', () => {
    const text = har(
      entry({ postData: { mimeType: 'application/json', text: '{"jobId":"j1"}' } }),
      entry(
        { postData: { mimeType: 'application/json', text: '{"jobId":"j2"}' } },
        { status: 400, content: { size: 3, text: 'no!' } },
      ),
    );
    expect(callbacksOfHar(text)).toEqual([
      {
        at: '2026-03-01T10:00:00.123+07:00',
        method: 'POST',
        path: '/notifications/analysis-complete?a=1',
        headers: { 'x-service-key': '[redacted]', 'content-type': 'application/json' },
        body: { jobId: 'j1' },
        status: 200,
        durationMs: 12.5,
      },
      expect.objectContaining({ body: { jobId: 'j2' }, status: 400, answer: 'no!' }),
    ]);
  });

  it('may have requests without an answer, without a body, of bytes and of forms', () => {
    const text = har(
      entry({}, { status: 0 }),
      { ...entry({ method: 'GET', url: 'http://h' }), time: -1 },
      entry({ postData: { text: '/wA=', encoding: 'base64' } }),
      entry({ postData: { text: '', params: [{ name: 'a', value: '1 2' }, { name: 'b' }] } }),
      entry({}, { status: 500, content: { text: 'bm8h', encoding: 'base64' } }),
    );
    const records = callbacksOfHar(`\uFEFF${text}`);
    expect(records.map(({ status }) => status)).toEqual([null, 200, 200, 200, 500]);
    expect(records[1]).toMatchObject({ path: '/', body: null });
    expect(records[1]).not.toHaveProperty('durationMs');
    expect(records[2]).toMatchObject({ body: null, bodyBase64: '/wA=' });
    expect(records[3]).toMatchObject({ body: 'a=1+2&b=' });
    expect(records[4]).toMatchObject({ answer: 'no!' });
  });

  it('that is damaged is refused, naming the entry', () => {
    expect(() => callbacksOfHar(har(entry({}), { startedDateTime: 'x' }))).toThrowError(
      expect.objectContaining({ code: 'input-invalid', message: 'Entry 2 of the HAR file cannot be read' }),
    );
    for (const text of ['{"log":{}}', '[]', '{"log"'])
      expect(() => callbacksOfHar(text)).toThrowError(expect.objectContaining({ code: 'input-invalid' }));
  });

  it('is told from other JSON', () => {
    expect(isHar(JSON.parse(har()))).toBe(true);
    expect(isHar({ at: '2026-03-01T10:00:00Z', method: 'POST', path: '/a', status: 200 })).toBe(false);
    expect(isHar([])).toBe(false);
  });
});
