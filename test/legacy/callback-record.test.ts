import { describe, expect, it } from 'vitest';
import {
  bodyBytesOf,
  bodyFields,
  callbackLine,
  parseCallbackRecord,
  readBody,
  readCallbackLine,
} from '../../src/legacy/callback-record.js';

const RECORD = { at: '2026-03-01T10:00:00.000Z', method: 'POST', path: '/a', status: 200 };

describe('the body of a record', () => {
  it.each([
    ['compact JSON, as its value', '{"a":[1,null,"é"]}', { a: [1, null, 'é'] }],
    ['JSON with spaces, as text', '{ "a": 1 }', '{ "a": 1 }'],
    ['JSON with a repeated name, as text', '{"a":1,"a":2}', '{"a":1,"a":2}'],
    ['a number that JavaScript cannot hold, as text', '[12345678901234567890]', '[12345678901234567890]'],
    ['1.0, as text', '1.0', '1.0'],
    ['null, as text', 'null', 'null'],
    ['a JSON text, as text', '"a"', '"a"'],
    ['several values, as text', '1,2', '1,2'],
    ['plain text', 'a=1&b=2', 'a=1&b=2'],
    ['text with a byte order mark', '\uFEFF{}', '\uFEFF{}'],
    ['nothing, as null', '', null],
    ['__proto__, as a name like any other', '{"__proto__":1}', JSON.parse('{"__proto__":1}')],
  ])('holds %s, and gives back the very bytes', (_what, text, body) => {
    const fields = bodyFields(Buffer.from(text));
    expect(fields).toEqual({ body });
    const record = readCallbackLine(callbackLine({ ...RECORD, ...fields }));
    expect(bodyBytesOf(record).toString()).toBe(text);
  });

  it('holds bytes that are no text as base64', () => {
    const bytes = Buffer.from([0xff, 0x00, 0x7b]);
    const fields = bodyFields(bytes);
    expect(fields).toEqual({ body: null, bodyBase64: '/wB7' });
    expect(bodyBytesOf(fields)).toEqual(bytes);
    expect(readBody({ ...RECORD, ...fields })).toEqual({ problem: 'the body is not UTF-8 text' });
  });

  it('stays readable at any depth', () => {
    for (const depth of [511, 512, 513, 5000]) {
      const text = `${'['.repeat(depth)}"${'x'.repeat(2000)}"${']'.repeat(depth)}`;
      const record = readCallbackLine(callbackLine({ ...RECORD, ...bodyFields(Buffer.from(text)) }));
      expect(bodyBytesOf(record).toString()).toBe(text);
    }
  });

  it('is read as JSON whether it is a value or a text of it', () => {
    expect(readBody({ ...RECORD, body: { a: 1 } })).toEqual({ value: { a: 1 } });
    expect(readBody({ ...RECORD, body: ' {"a": 1}' })).toEqual({ value: { a: 1 } });
  });

  it.each([
    [{ body: null }, 'there is no body'],
    [{ body: '{"a":1}', truncated: true }, 'only the start of the body was recorded'],
    [{ body: 'budi@example.com' }, /^the body is not JSON: (?!.*budi)/],
  ])('says why it cannot be read: %j', (fields, problem) => {
    expect(readBody({ ...RECORD, ...fields })).toEqual({
      problem: typeof problem === 'string' ? problem : expect.stringMatching(problem),
    });
  });
});

describe('a line', () => {
  it('comes back as it was, with the fields that nobody knows', () => {
    const line =
      '{"at":"2026-03-01T10:00:00.000Z","method":"POST","path":"/a?b","headers":{"x-a":["1","2"]},' +
      '"body":{"a":1},"status":null,"durationMs":1.5,"upstream":"n","failure":"cut","cause":"ECONNRESET","own":[1]}\n';
    expect(callbackLine(readCallbackLine(line))).toBe(line);
  });

  it('written elsewhere needs time, method, path and status only', () => {
    expect(
      readCallbackLine('\uFEFF{"at":"2026-03-01T10:00:00+07:00","method":"POST","path":"/a","status":200}'),
    ).toEqual({
      at: '2026-03-01T10:00:00+07:00',
      method: 'POST',
      path: '/a',
      body: null,
      status: 200,
    });
  });

  it('that is none is refused with the fields that are wrong, and nothing of their content', () => {
    const parse = () => parseCallbackRecord({ ...RECORD, at: 'budi', status: '200', headers: { a: 1 } });
    expect(parse).toThrowError(expect.objectContaining({ code: 'input-invalid' }));
    try {
      parse();
    } catch (error) {
      expect(error).toMatchObject({
        issues: expect.arrayContaining([
          expect.objectContaining({ path: 'at' }),
          expect.objectContaining({ path: 'status' }),
        ]),
      });
      expect(JSON.stringify(error)).not.toContain('budi');
    }
    expect(() => readCallbackLine('{"at":')).toThrowError(expect.objectContaining({ code: 'input-invalid' }));
    expect(() => readCallbackLine('[]')).toThrowError(expect.objectContaining({ code: 'input-invalid' }));
  });
});
