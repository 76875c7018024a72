/** One dead letter as text for people. */
import { parseBody } from '../core/events/codec.js';
import { describeIssues } from '../core/events/field-issues.js';
import type { Death, DeathEntry } from '../dead-letters/death.js';
import { idOf } from '../dead-letters/groups.js';
import { age } from '../terminal/age.js';
import type { Terminal } from '../terminal/io.js';
import { prettyJson } from '../terminal/pretty-json.js';
import { forPeople, lineForPeople } from '../terminal/safe-text.js';
import { diedAt, type SeenLetter } from './dlq-reading.js';
import { shellWord } from './repeat-options.js';

/** Characters of a body or a stack that are shown. */
const LONGEST_BODY = 10_000;
const STACK_LINES = 6;
const LABEL_WIDTH = 12;

/** Heading, what is known of its death, body. Nothing in it can drive the terminal; e-mail addresses are hidden. */
export function renderLetter(
  { letter, record, group }: SeenLetter,
  number: number,
  { style }: Pick<Terminal, 'style'>,
  now: number,
): string {
  const { message, death } = letter;
  const rows: (readonly [label: string, text: string])[] = [
    ['id', idOf(message)],
    ['group', group.id],
    ['died', timeText(diedAt(letter), now)],
    ['reason', reasonText(death)],
    ...settleRows(death),
    ...failureRows(death),
    ...(record.valid ? [] : [['invalid', describeIssues(record.errors ?? [])] as const]),
    ['given up by', givenUpBy(death)],
    ['first sent', `${death.exchange || '(default exchange)'} ${death.routingKey}`],
    ...death.history.map((entry, at) => [at === 0 ? 'history' : '', entryText(entry)] as const),
  ];
  const heading = `${number}  ${style.cyan(lineForPeople(record.type ?? '(no type)'))}`;
  const lines = rows.map(
    ([label, text]) => `   ${style.dim(label.padEnd(LABEL_WIDTH))}${indent(forPeople(text))}`,
  );
  return [heading, ...lines, indent(`   ${bodyText(message.body)}`, 3)].join('\n');
}

function failureRows({ record }: Death): (readonly [string, string])[] {
  if (record === undefined) return [];
  const stack = record.stack?.split('\n').filter((line) => line.trimStart().startsWith('at ')) ?? [];
  const shown = stack.slice(0, STACK_LINES).map((line) => line.trim());
  const more = stack.length > shown.length ? ['…'] : [];
  return [
    ['error', `${record.exception}: ${record.message}`],
    ...(shown.length > 0 ? [['stack', [...shown, ...more].join('\n')] as const] : []),
  ];
}

/** What `once` says of a key, as JSON, in each of its errors. */
const KEY = /the effect of ("(?:[^"\\]|\\.)*")/;

/** Only a person can find out whether that effect happened. */
function settleRows({ reason, record }: Death): (readonly [string, string])[] {
  if (reason !== 'effect-unknown') return [];
  const [, quoted] = KEY.exec(record?.message ?? '') ?? [];
  const key = quoted === undefined ? 'KEY' : shellWord(String(JSON.parse(quoted)));
  return [
    ['next', 'look where the effect shows whether it happened; note what you found, then replay:'],
    ['', `atma-events dlq settle ${key} --store FILE --happened   (or --did-not-happen)`],
  ];
}

function reasonText({ reason, attempts, record }: Death): string {
  const twice = record?.possibleDuplicate === true ? '; may be there twice' : '';
  if (attempts === 0) return `${reason}${twice}`;
  const times = `${attempts} ${record ? 'attempt' : 'time'}${attempts === 1 ? '' : 's'}`;
  return `${reason}, ${times}${twice}`;
}

function givenUpBy({ failedQueue, record }: Death): string {
  if (failedQueue === undefined) return '(unknown)';
  return record === undefined ? failedQueue : `${failedQueue}, consumer ${record.consumer}`;
}

function entryText({ time, queue, reason, count, exchange, routingKeys }: DeathEntry): string {
  const route = `${exchange === '' ? '(default exchange)' : (exchange ?? '?')} ${routingKeys.join(', ')}`;
  const times = count === 1 ? '' : ` ${count} times`;
  return `${secondsOf(time)}  ${reason}${times} in ${queue ?? '?'}, sent to ${route}`;
}

function timeText(time: string | undefined, now: number): string {
  return time === undefined ? '(no time)' : `${secondsOf(time)}, ${age(now - Date.parse(time))} ago`;
}

function secondsOf(time: string | undefined): string {
  return time === undefined ? '(no time)' : `${time.slice(0, 19)}Z`;
}

/** The body over several lines, or what kind of bytes it is. */
function bodyText(body: Buffer): string {
  const parsed = parseBody(body);
  if ('value' in parsed) return forPeople(prettyJson(body.toString('utf8'), LONGEST_BODY)) + restText(body);
  const start = body.subarray(0, LONGEST_BODY).toString('utf8') + (body.length > LONGEST_BODY ? '…' : '');
  return `${body.length} bytes, ${parsed.error}${start === '' ? '' : `:\n${forPeople(start)}`}${restText(body)}`;
}

function restText(body: Buffer): string {
  return body.length > LONGEST_BODY ? `\n(${body.length} bytes in all; --json shows them)` : '';
}

function indent(text: string, by = LABEL_WIDTH + 3): string {
  return text.replaceAll('\n', `\n${' '.repeat(by)}`);
}
