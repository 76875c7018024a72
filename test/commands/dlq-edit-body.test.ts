import { describe, expect, it } from 'vitest';
import { editableBody, editedBody, withoutLayout } from '../../src/commands/dlq-edit-body.js';

const bytes = (text: string) => Buffer.from(text);

describe('a body to be edited', () => {
  it('is laid out when it is JSON', () => {
    expect(editableBody(bytes('{"a":[1,{"b":"x y"}]}'))).toEqual({
      form: 'json',
      text: '{\n  "a": [\n    1,\n    {\n      "b": "x y"\n    }\n  ]\n}\n',
    });
  });

  it.each([
    ['a number that JavaScript rounds', '{"id":12345678901234567890}'],
    ['a number written in another way', '{"price":1.50}'],
    ['a field that is there twice', '{"a":1,"a":2}'],
    ['no JSON', 'job 17'],
  ])('is left as it is with %s', (_, text) => {
    expect(editableBody(bytes(text))).toEqual({ form: 'raw', text });
  });

  it('is nothing for an editor when it is not text', () => {
    expect(editableBody(Buffer.from([0xff, 0xfe, 0x00]))).toBeUndefined();
  });
});

describe('an edited body', () => {
  it('is the original, byte for byte, when only the layout differs', () => {
    const original = bytes('{ "a": 1 }');
    expect(editedBody('json', bytes('{\n  "a": 1\n}\n'), original)).toEqual({ body: original });
  });

  it('is sent without its layout, and with numbers as they were typed', () => {
    const edited = bytes('{\n  "a": 12345678901234567890,\n  "b": "x  \\" y"\n}\n');
    expect(editedBody('json', edited, bytes('{}'))).toEqual({
      body: bytes('{"a":12345678901234567890,"b":"x  \\" y"}'),
    });
  });

  it('says what is wrong with it, without a piece of it', () => {
    const outcome = editedBody('json', bytes('{"mail": budi@example.com}'), bytes('{}'));
    expect(outcome).toEqual({ problem: expect.stringContaining('it is not JSON') });
    expect(JSON.stringify(outcome)).not.toContain('budi');
  });

  it('does not keep the line end that an editor adds to the last line', () => {
    expect(editedBody('raw', bytes('job 18\n'), bytes('job 17'))).toEqual({ body: bytes('job 18') });
    expect(editedBody('raw', bytes('job 18\n'), bytes('job 17\n'))).toEqual({ body: bytes('job 18\n') });
  });

  it('keeps white space inside of strings', () => {
    expect(withoutLayout('{ "a b" : "c \\\\" , "d" : " \\" " }')).toBe('{"a b":"c \\\\","d":" \\" "}');
  });
});
