/** Where the management API is asked, and as whom: decides which password goes to which host. */
import type { AmqpAddress } from './address.js';

export interface ManagementAccess {
  /** Without credentials and trailing slash, fit for printing. */
  readonly base: string;
  /** Value of the authorization header. */
  readonly authorization: string;
}

/**
 * The way in, or the reason why nothing is sent at all.
 *
 * | managementUrl                                | asked with                                        |
 * |----------------------------------------------|---------------------------------------------------|
 * | none                                         | the AMQP credentials, on the host of the AMQP URL |
 * | with user:password                           | those                                             |
 * | without, another host than the AMQP URL's    | nothing: they are no business of that host        |
 * | without, http beside amqps, not on loopback  | nothing: the password would leave in clear        |
 * | without, otherwise                           | the AMQP credentials                              |
 */
export function managementAccess(
  address: AmqpAddress,
  managementUrl: string | undefined,
): ManagementAccess | string {
  const url = parse(managementUrl ?? guess(address));
  // The text is not repeated: there may be a password in it.
  if (url === undefined) return 'the managementUrl is not an http or https URL';
  const base = `${url.origin}${url.pathname}`.replace(/\/+$/, '');
  if (url.username !== '' || url.password !== '') {
    return { base, authorization: basic(plain(url.username), plain(url.password)) };
  }
  const skipped = `the management API at ${base} was not asked`;
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (host !== address.host.toLowerCase()) {
    return `${skipped}, because it is on another host than the broker: put its user:password into managementUrl`;
  }
  if (address.scheme === 'amqps' && url.protocol === 'http:' && !isLoopback(host)) {
    return `${skipped}, because the password of an amqps URL is not sent over http: use https, or put user:password into managementUrl`;
  }
  return { base, authorization: basic(address.user, address.password) };
}

function parse(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url?.protocol === 'http:' || url?.protocol === 'https:' ? url : undefined;
}

/** RabbitMQ's customary port beside its AMQP port; as secret as the connection is. */
function guess({ scheme, host, port }: AmqpAddress): string {
  const name = host.includes(':') ? `[${host}]` : host;
  if (scheme === 'amqps') return `https://${name}:${port === 5671 ? 15671 : port + 10_000}`;
  return `http://${name}:${port === 5672 || port === 5671 ? 15672 : port + 10_000}`;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

/** A literal % that was not encoded stands for itself. */
function plain(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
