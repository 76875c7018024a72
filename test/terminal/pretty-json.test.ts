import { describe, expect, it } from 'vitest';
import { prettyJson } from '../../src/terminal/pretty-json.js';

describe('JSON for people', () => {
  it.each([
    '{}',
    '[]',
    '"text"',
    '1',
    'null',
    '{"a":[],"b":{},"c":[1,[2,{"d":null}],"x"],"e":"a,b:{c}[d]\\"\\\\"}',
    ' [ true , false,\n{"a" : "b"}\t] ',
    '[{},{}]',
    '{"eventType":"analysis.failed","metadata":{"tags":["a","b"]},"resultId":null}',
  ])('is laid out as JSON.stringify does it: %s', (json) => {
    expect(prettyJson(json, 10_000)).toBe(JSON.stringify(JSON.parse(json), undefined, 2));
  });

  it('keeps numbers as they are written', () => {
    expect(prettyJson('{"id":12345678901234567890,"price":1.00}', 1_000)).toBe(
      '{\n  "id": 12345678901234567890,\n  "price": 1.00\n}',
    );
  });

  it('writes out characters that are escaped without need, so that an address is seen as one', () => {
    expect(prettyJson('"budi\\u0040example.com"', 1_000)).toBe('"budi@example.com"');
  });

  it('ends when it is long enough, also where one string or the nesting is huge', () => {
    expect(prettyJson(JSON.stringify('x'.repeat(5_000_000)), 100)).toHaveLength(101);
    expect(prettyJson(JSON.stringify('\n'.repeat(2_000_000)), 100)).toHaveLength(101);
    expect(prettyJson('['.repeat(500) + ']'.repeat(500), 1_000)).toHaveLength(1_001);
  });
});
