/** Header lines as they are on the wire: names in their own case, in order, repeated where they are repeated. */
import type { ClientRequest } from 'node:http';

/** name, value, name, value …, as `rawHeaders` of node:http. */
export type RawHeaders = readonly string[];

/**
 * The lines to pass on. All of them, `Connection` included, for a connection of the caller has one of its own to the
 * upstream; except what would switch the protocol, which this proxy does not speak (an upstream may always ignore an
 * upgrade, RFC 9110 section 7.8).
 */
export function requestLines(raw: RawHeaders, fromHttp10: boolean): string[] {
  const lines = withoutIdleTrailer(withoutUpgrade(raw));
  // 1.1 keeps a connection where 1.0 ends it; only the upstream can tell the length of its answer by ending it.
  if (fromHttp10 && !has(lines, 'connection')) lines.push('Connection', 'close');
  return lines;
}

/** The answer's lines to pass back. HTTP/1.0 knows no chunks: there the end of the connection ends the answer. */
export function answerLines(raw: RawHeaders, toHttp10: boolean): string[] {
  return withoutIdleTrailer(toHttp10 ? without(raw, (name) => name === 'transfer-encoding') : [...raw]);
}

/** Makes these the header lines of a request that has not begun. */
export function setLines(request: ClientRequest, lines: RawHeaders): void {
  for (const name of request.getHeaderNames()) request.removeHeader(name);
  // Node adds each of these by itself unless it was removed.
  for (const name of ['connection', 'content-length', 'transfer-encoding']) request.removeHeader(name);
  for (const [name, value] of pairs(lines)) request.appendHeader(name, value);
}

/** Names in lower case; several values of one name as an array, in their order. */
export function headerRecord(raw: RawHeaders): Record<string, string | readonly string[]> {
  const values = new Map<string, string[]>();
  for (const [name, value] of pairs(raw)) {
    const key = name.toLowerCase();
    const known = values.get(key);
    if (known) known.push(value);
    else values.set(key, [value]);
  }
  return Object.fromEntries(
    [...values].map(([name, all]) => [name, all.length === 1 ? (all[0] ?? '') : all]),
  );
}

export function pairs(raw: RawHeaders): [name: string, value: string][] {
  const all: [string, string][] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) all.push([raw[at] ?? '', raw[at + 1] ?? '']);
  return all;
}

const UPGRADE = new Set(['upgrade', 'http2-settings']);

function withoutUpgrade(raw: RawHeaders): string[] {
  if (!has(raw, 'upgrade')) return [...raw];
  return pairs(raw).flatMap(([name, value]) => {
    if (UPGRADE.has(name.toLowerCase())) return [];
    if (name.toLowerCase() !== 'connection') return [name, value];
    const kept = value.split(',').filter((token) => !UPGRADE.has(token.trim().toLowerCase()));
    return kept.length === 0 ? [] : [name, kept.join(',').trim()];
  });
}

/** Node refuses to announce trailers of a body that is not sent in chunks: there is no place for them. */
function withoutIdleTrailer(lines: string[]): string[] {
  if (!has(lines, 'trailer') || has(lines, 'transfer-encoding')) return lines;
  return without(lines, (name) => name === 'trailer');
}

function without(raw: RawHeaders, drop: (name: string) => boolean): string[] {
  return pairs(raw).flatMap(([name, value]) => (drop(name.toLowerCase()) ? [] : [name, value]));
}

function has(raw: RawHeaders, wanted: string): boolean {
  for (let at = 0; at < raw.length; at += 2) if (raw[at]?.toLowerCase() === wanted) return true;
  return false;
}
