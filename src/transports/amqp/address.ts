/** An AMQP URL taken apart, after RabbitMQ's URI specification and its query parameters. */
import { EventsError } from '../../core/errors.js';

/** Certificates and names for `amqps`. PEM text or buffers; each wins over the URL's query. */
export interface AmqpTlsOptions {
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  readonly passphrase?: string;
  /** Name that the broker's certificate must carry. Default: the host. */
  readonly serverName?: string;
  /** Accept any certificate. For trials only. Default false. */
  readonly insecure?: boolean;
}

export interface AmqpAddress {
  readonly scheme: 'amqp' | 'amqps';
  readonly host: string;
  readonly port: number;
  readonly vhost: string;
  readonly user: string;
  readonly password: string;
  /** Seconds; 0 switches heartbeats off. */
  readonly heartbeat: number;
  readonly channelMax: number;
  /** Milliseconds for one connection attempt, from `connection_timeout`. */
  readonly attemptTimeoutMs: number | undefined;
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  readonly serverName: string | undefined;
  readonly verify: boolean;
  /** The URL without password and query, fit for printing. */
  readonly printable: string;
}

/** RabbitMQ proposes 60 s; a cut line should not go unnoticed for two minutes. */
const DEFAULT_HEARTBEAT_S = 10;

/** Throws `usage`; the text never holds the URL, since that may hold a password. */
export function parseAddress(text: string): AmqpAddress {
  const url = parseUrl(text);
  const scheme = url.protocol === 'amqps:' ? 'amqps' : 'amqp';
  const host = decode(url.hostname.replace(/^\[|\]$/g, ''), 'host') || 'localhost';
  const port = url.port === '' ? (scheme === 'amqps' ? 5671 : 5672) : Number(url.port);
  const vhost =
    url.pathname === '' || url.pathname === '/' ? '/' : decode(url.pathname.slice(1), 'virtual host');
  const anonymous = url.username === '' && url.password === '';
  const user = anonymous ? 'guest' : decode(url.username, 'user');
  const query = url.searchParams;
  return {
    scheme,
    host,
    port,
    vhost,
    user,
    password: anonymous ? 'guest' : decode(url.password, 'password'),
    heartbeat: wholeNumber(query.get('heartbeat'), 'heartbeat') ?? DEFAULT_HEARTBEAT_S,
    channelMax: wholeNumber(query.get('channel_max'), 'channel_max') ?? 0,
    attemptTimeoutMs: wholeNumber(query.get('connection_timeout'), 'connection_timeout'),
    caFile: query.get('cacertfile') ?? undefined,
    certFile: query.get('certfile') ?? undefined,
    keyFile: query.get('keyfile') ?? undefined,
    serverName: query.get('server_name_indication') ?? undefined,
    verify: query.get('verify') !== 'verify_none',
    printable: printable(scheme, user, host, port, vhost),
  };
}

/** `host:port, virtual host "v"`: how errors name the broker. */
export function whereIs(address: AmqpAddress): string {
  return `${address.host}:${address.port}, virtual host "${address.vhost}"`;
}

/** Takes the password out of a text, in clear and percent-encoded. */
export function redact(text: string, address: AmqpAddress): string {
  let clean = text.replace(/(\/\/[^\s/:@]*):[^\s/@]*@/g, '$1:***@');
  // A password equal to the user name is no secret that a text could give away.
  if (address.password === '' || address.password === address.user) return clean;
  for (const form of new Set([
    address.password,
    encodeURIComponent(address.password),
    encodeURI(address.password),
  ])) {
    clean = clean.replaceAll(form, '***');
  }
  return clean;
}

function parseUrl(text: string): URL {
  try {
    const url = new URL(text);
    // A second @ is one of the password or virtual host; with a / before it, URL would cut the password in two
    // and show its end as the host.
    const marks = (text.split('?', 1)[0] ?? '').split('@').length - 1;
    if (marks > 1) throw new TypeError('more than one @');
    if (url.protocol === 'amqp:' || url.protocol === 'amqps:') return url;
  } catch {
    // Falls through to the same refusal; the parser's own text would repeat the URL with its password.
  }
  throw new EventsError('usage', 'The broker URL is not an AMQP URL', {
    hint: 'Write amqp://user:password@host:5672/vhost, with special characters percent-encoded (@ is %40, / is %2F).',
  });
}

function decode(part: string, what: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new EventsError('usage', `The ${what} in the broker URL is not percent-encoded correctly`, {
      hint: 'A literal % is written %25.',
    });
  }
}

function wholeNumber(text: string | null, name: string): number | undefined {
  if (text === null) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new EventsError('usage', `"${name}" in the broker URL is not a whole number`);
}

function printable(scheme: string, user: string, host: string, port: number, vhost: string): string {
  const shownHost = host.includes(':') ? `[${host}]` : host;
  const path = vhost === '/' ? '' : `/${encodeURIComponent(vhost)}`;
  return `${scheme}://${encodeURIComponent(user)}:***@${shownHost}:${port}${path}`;
}
