/** One event as one line for people. */
import { describeIssues } from '../core/events/field-issues.js';
import type { EventRecord } from '../core/events/record.js';
import type { Terminal } from '../terminal/io.js';
import { hideEmails, safeLine } from '../terminal/safe-text.js';

/** Characters of a line that is not cut to a terminal's width. */
const LONGEST_LINE = 2000;

/**
 * Time (default: when it was received), type, routing and body. The body is cut to the terminal's width; what cannot be read as JSON is
 * described instead of shown. Nothing in it can drive the terminal, and e-mail addresses are hidden.
 */
export function renderEvent(
  record: EventRecord,
  body: Buffer,
  { style, columns }: Pick<Terminal, 'style' | 'columns'>,
  time: string = record.receivedAt.slice(11, 23),
): string {
  const type = clean(record.type ?? record.routingKey);
  const route =
    record.routingKey === record.type
      ? ''
      : ` via ${clean(`${record.exchange || '(default)'}/${record.routingKey}`)}`;
  const problem = record.valid ? '' : ` INVALID ${describeIssues(record.errors ?? [])}`;
  const plain = `${time}  ${type}${route}`;
  const room = (columns ?? LONGEST_LINE) - plain.length - 2;
  const rest = shorten(
    clean(`${problem}${problem ? '  ' : ''}${bodyText(record, body)}`.trimStart()),
    Math.max(room, 20),
  );
  const paint = record.valid ? style.cyan : style.red;
  return `${style.dim(time)}  ${paint(type)}${style.dim(route)}  ${record.valid ? rest : style.red(rest)}`;
}

/** The body in one line: compact JSON without what the line says already, or what kind of bytes it is. */
function bodyText(record: EventRecord, body: Buffer): string {
  if (record.event === null || typeof record.event !== 'object') {
    return `${body.length} bytes: ${body.subarray(0, LONGEST_LINE).toString('utf8')}`;
  }
  // A body of megabytes is not worth serialising for one line.
  if (body.length > 64 * 1024) return `${body.length} bytes of JSON`;
  const { eventType, timestamp, ...rest } = record.event as Record<string, unknown>;
  return JSON.stringify(rest);
}

function shorten(text: string, room: number): string {
  return text.length <= room ? text : `${text.slice(0, room - 1)}…`;
}

/** Safe first: an address must not hide behind an invisible character. */
function clean(text: string): string {
  return hideEmails(safeLine(text));
}
