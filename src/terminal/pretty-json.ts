/**
 * JSON over several lines, for people. Numbers stay as they are written: parsing would round an id beyond 2^53 to
 * another one. Strings are written anew, so that `\u0040` is the @ it stands for.
 *
 * `json` must be valid. What is left out beyond `longest` characters is marked by an ellipsis.
 */
export function prettyJson(json: string, longest: number): string {
  let out = '';
  let depth = 0;
  let empty = false;
  for (const token of tokensOf(json)) {
    if (out.length > longest) return `${out.slice(0, longest)}…`;
    const line = () => `\n${'  '.repeat(depth)}`;
    if (token === '{' || token === '[') {
      out += (empty ? line() : '') + token;
      depth++;
      empty = true;
    } else if (token === '}' || token === ']') {
      depth--;
      out += (empty ? '' : line()) + token;
      empty = false;
    } else if (token === ',') out += token + line();
    else if (token === ':') out += ': ';
    else {
      out += (empty ? line() : '') + (token.startsWith('"') ? JSON.stringify(JSON.parse(token)) : token);
      empty = false;
    }
  }
  return out.length > longest ? `${out.slice(0, longest)}…` : out;
}

const PUNCTUATION = '{}[],:';

/** Not by one pattern: V8's runs out of stack on strings of megabytes. */
function* tokensOf(json: string): Generator<string> {
  let at = 0;
  while (at < json.length) {
    const character = json.charAt(at);
    let end = at + 1;
    if (character === '"') {
      while (end < json.length && json[end] !== '"') end += json[end] === '\\' ? 2 : 1;
      end++;
    } else if (!PUNCTUATION.includes(character)) {
      while (end < json.length && !/[\s{}[\],:]/.test(json.charAt(end))) end++;
    }
    const token = json.slice(at, end).trim();
    if (token !== '') yield token;
    at = end;
  }
}
