/** Chooses a transport by its URL's scheme. A new transport is one folder plus one line here. */
import { EventsError } from '../core/errors.js';
import type { Transport, TransportOptions } from '../core/transport.js';
import type { AmqpTlsOptions } from './amqp/index.js';

/** Credentials and endpoints beside the URL; each transport takes what it knows. */
export interface ConnectionOptions extends TransportOptions {
  /** RabbitMQ's management API. Default: same host, port 15672 (or the AMQP port + 10000). */
  readonly managementUrl?: string;
  /** For `amqps:`; the URL's query may name files instead (cacertfile, certfile, keyfile, server_name_indication). */
  readonly tls?: AmqpTlsOptions;
}

type Factory = (url: string, options: ConnectionOptions) => Promise<Transport>;

const amqp: Factory = async (url, options) =>
  (await import('./amqp/index.js')).createAmqpTransport(url, options);

/** Each client library is loaded only when its scheme is used. */
const TRANSPORTS: { readonly [scheme: string]: Factory } = {
  embedded: async (url, options) =>
    (await import('./embedded/index.js')).createEmbeddedTransport(embeddedPath(url), options),
  amqp,
  amqps: amqp,
};

export const DEFAULT_URL = 'embedded:';
const DEFAULT_EMBEDDED_PATH = './.atma-events/broker.db';

/** A transport for `url`; it connects when first used. Throws `usage` on a URL that no transport serves. */
export async function createTransport(url: string, options: ConnectionOptions = {}): Promise<Transport> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  const factory = scheme === undefined ? undefined : TRANSPORTS[scheme];
  if (!factory) {
    throw new EventsError(
      'usage',
      scheme ? `No transport for "${scheme}:" URLs` : 'The broker URL has no scheme',
      {
        hint: 'Use embedded:, embedded:PATH, amqp://HOST:PORT/VHOST or amqps://….',
      },
    );
  }
  return factory(url, options);
}

function embeddedPath(url: string): string {
  const path = url.slice('embedded:'.length).replace(/^\/\//, '');
  return path === '' ? DEFAULT_EMBEDDED_PATH : path;
}
