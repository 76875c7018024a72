/**
 * One variable in a .env file: found, and set with every other byte as it was. No I/O.
 *
 * Programs read such files by slightly different rules (dotenv, `node --env-file`, Docker, a shell). What is decided here
 * holds for all of them:
 * - The last assignment counts, so it is the one that is changed; earlier ones are told, not touched.
 * - `export`, blanks, quotes and a comment behind the value stay. A `#` that touches the value gets a blank before it: with
 *   dotenv it begins a comment there, for a shell it is part of the value.
 * - A line that is commented out, or inside a quoted value of several lines, is no assignment.
 * - A variable that is missing becomes the last line, with the line ends of the file; a file without a final newline stays one.
 */
import { EventsError } from '../core/errors.js';

export interface EnvEdit {
  readonly bytes: Buffer;
  /** `kept`: it said so already, and not a byte differs. */
  readonly action: 'kept' | 'set' | 'added';
  /** Line of the assignment that counts, from 1. */
  readonly line: number;
  /** What it said before, without quotes; undefined for `added`. */
  readonly before: string | undefined;
  /** Lines of earlier assignments of the same variable. */
  readonly overridden: readonly number[];
}

interface Assignment {
  readonly line: number;
  readonly value: string;
  /** Where the value stands, with its quotes. */
  readonly from: number;
  readonly to: number;
  /** `'`, `"` or nothing. */
  readonly quote: string;
  /** A comment begins right behind it. */
  readonly touched: boolean;
}

/**
 * Sets `key`, a name of letters, digits and `_`, to `value`, a word that needs no quotes. Throws `input-invalid` for what is
 * no text of one byte per sign (UTF-16, a binary file).
 */
export function editEnv(bytes: Buffer, key: string, value: string): EnvEdit {
  if (bytes.includes(0)) {
    throw new EventsError('input-invalid', 'It holds NUL bytes: that is no .env file', {
      hint: 'Save it as UTF-8.',
    });
  }
  // One character per byte: whatever the encoding, what is not edited comes out as it went in.
  const text = bytes.toString('latin1');
  const found = assignmentsOf(text, key);
  const last = found.at(-1);
  const overridden = found.slice(0, -1).map(({ line }) => line);
  if (last === undefined) {
    const begun = text === '' || /[\r\n]$/.test(text);
    const end = /\r\n|\n|\r/.exec(text)?.[0] ?? '\n';
    const added = begun ? `${key}=${value}${end}` : `${end}${key}=${value}`;
    return {
      bytes: Buffer.from(text + added, 'latin1'),
      action: 'added',
      line: linesIn(text) + (begun ? 0 : 1),
      before: undefined,
      overridden,
    };
  }
  const { line, from, to, quote, touched } = last;
  const next = `${quote}${value}${quote}${touched ? ' ' : ''}`;
  const kept = text.slice(from, to) === next;
  const edited = text.slice(0, from) + next + text.slice(to);
  return {
    bytes: kept ? bytes : Buffer.from(edited, 'latin1'),
    action: kept ? 'kept' : 'set',
    line,
    before: Buffer.from(last.value, 'latin1').toString('utf8'),
    overridden,
  };
}

/** A name, behind `export` or not, and what parts it from its value: `=`, or `: ` as dotenv allows. */
const NAME = /[ \t]*(?:export[ \t]+)?([\w.-]+)(?:[ \t]*=|:(?=[ \t]))[ \t]*/y;
/** A value in quotes, which may go over several lines, and nothing behind it but a comment. */
const QUOTED = /(?:"((?:\\[\s\S]|[^"\\])*)"|'([^']*)'|`([^`]*)`)(?=[ \t]*(?:#|[\r\n]|$))/y;
const PLAIN = /[^\r\n#]*/y;
const REST = /[^\r\n]*(?:\r\n|\n|\r|$)/y;
const BYTE_ORDER_MARK = '\u00ef\u00bb\u00bf';

function assignmentsOf(text: string, key: string): readonly Assignment[] {
  const found: Assignment[] = [];
  let line = 1;
  let at = text.startsWith(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK.length : 0;
  while (at < text.length) {
    const begin = at;
    const name = matchAt(NAME, text, at);
    if (name !== undefined) {
      const value = valueAt(text, at + name[0].length);
      if (name[1] === key) found.push({ line, ...value });
      at = value.to;
    }
    at += matchAt(REST, text, at)?.[0].length ?? 0;
    line += linesIn(text.slice(begin, at)) - 1;
  }
  return found;
}

/** The value that begins at or, when it is empty, before `at`. */
function valueAt(text: string, at: number): Omit<Assignment, 'line'> {
  const quoted = matchAt(QUOTED, text, at);
  if (quoted !== undefined) {
    const value = quoted[1] ?? quoted[2] ?? quoted[3] ?? '';
    const to = at + quoted[0].length;
    const mark = text[at] ?? '';
    // A shell would run what stands in backticks.
    return { value, from: at, to, quote: mark === '`' ? '' : mark, touched: text[to] === '#' };
  }
  // Not trimEnd: one byte of an accented letter may look like a blank here.
  const value = (matchAt(PLAIN, text, at)?.[0] ?? '').replace(/[ \t]+$/, '');
  // The blanks before a comment, or before the end of the line, stay where they are: the new value goes before them.
  const from = value === '' ? blanksBefore(text, at) : at;
  const to = from + value.length;
  return { value, from, to, quote: '', touched: text[to] === '#' };
}

function blanksBefore(text: string, at: number): number {
  let from = at;
  while (text[from - 1] === ' ' || text[from - 1] === '\t') from--;
  // Behind a colon one blank belongs to it.
  return text[from - 1] === ':' ? from + 1 : from;
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text) ?? undefined;
}

/** Lines that have begun: one more than there are line ends. */
function linesIn(text: string): number {
  return (text.match(/\r\n|\n|\r/g)?.length ?? 0) + 1;
}
