/** What amqplib and the broker throw, as errors of ours. */
import { EventsError, exchangeMissing, isEventsError, messageOf, queueMissing } from '../../core/errors.js';
import { type AmqpAddress, redact, whereIs } from './address.js';

/** AMQP reply code (404, 406, …) of a channel or connection error. */
export function replyCode(error: unknown): number | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'number' ? code : undefined;
}

/** The broker's own words (`NOT_FOUND - no queue 'q' in vhost '/'`), else the whole text. */
export function replyText(error: unknown): string {
  const text = messageOf(error);
  return /with message "([\s\S]*)"$/.exec(text)?.[1] ?? text;
}

/** Whether another attempt to connect could fare better, and the error to give up with. */
export interface ConnectFailure {
  readonly final: boolean;
  readonly error: EventsError;
}

/**
 * | the attempt ended with                                   | code           | final |
 * |----------------------------------------------------------|----------------|-------|
 * | 403 ACCESS_REFUSED, no such mechanism                    | access-refused | yes   |
 * | close in answer to connection.open (virtual host)        | access-refused | yes   |
 * | certificate not trusted, wrong name, client's refused    | access-refused | yes   |
 * | TLS spoken to a port that speaks none                    | unreachable    | yes   |
 * | a foreign protocol (`evidence` from the probe)           | unreachable    | yes   |
 * | anything else: refused, timed out, unknown host, cut off | unreachable    | no    |
 */
export function connectFailure(error: unknown, address: AmqpAddress, evidence?: string): ConnectFailure {
  if (isEventsError(error)) return { final: error.code !== 'unreachable', error };
  const text = redact(messageOf(error), address);
  const code = systemCode(error);
  const refused = (why: string, hint: string): ConnectFailure => ({
    final: true,
    error: new EventsError('access-refused', `${why} (${whereIs(address)})`, { hint, cause: error }),
  });
  if (/ACCESS.REFUSED|SASL mechanism/.test(text)) {
    return refused(`The broker refuses user "${address.user}": ${replyText(new Error(text))}`, LOGIN_HINT);
  }
  if (/Expected ConnectionOpenOk; got <ConnectionClose/.test(text) || /NOT.ALLOWED/.test(text)) {
    return refused(
      `The broker refuses virtual host "${address.vhost}" for user "${address.user}"`,
      'It does not exist, the user has no permissions on it (rabbitmqctl list_permissions), or its connection limit is reached. In the URL the virtual host follows the port; "/" itself is written %2F or left out.',
    );
  }
  const foreign = (why: string, hint: string): ConnectFailure => ({
    final: true,
    error: new EventsError('unreachable', `${why} (${whereIs(address)})`, { hint, cause: error }),
  });
  if (/wrong version number|packet length too long|ERR_SSL_WRONG_VERSION/i.test(`${text} ${code}`)) {
    return foreign(
      'The port does not speak TLS',
      'Use amqp:// for it, or the port of the TLS listener (5671).',
    );
  }
  if (isTlsRefusal(code, text)) return refused(`TLS verification failed: ${text}`, TLS_HINT);
  if (evidence !== undefined)
    return foreign(
      evidence,
      'Check host and port: RabbitMQ listens for AMQP on 5672, for AMQP over TLS on 5671.',
    );
  return {
    final: false,
    error: new EventsError(
      'unreachable',
      `Cannot reach the broker at ${whereIs(address)}: ${plainText(code, text)}`,
      {
        hint: 'Check that RabbitMQ is running there and that host and port are right.',
        cause: error,
      },
    ),
  };
}

const LOGIN_HINT = 'Check user and password. The user "guest" may log in only from the broker\'s own host.';
const TLS_HINT =
  "Give the CA that signed the broker's certificate (cacertfile=…), a host or server_name_indication that the certificate names, and a client certificate (certfile=…&keyfile=…) if the broker wants one.";

const LOCKED_HINT =
  'Another connection holds the queue: wait until it is closed, or look for it with rabbitmqctl list_consumers and list_connections.';

function systemCode(error: unknown): string {
  if (error instanceof AggregateError) return systemCode(error.errors[0]);
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : '';
}

function isTlsRefusal(code: string, text: string): boolean {
  return (
    /^(ERR_SSL_|ERR_TLS_|CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|ERR_OSSL)/.test(code) ||
    /certificate|altnames|handshake failure/i.test(text)
  );
}

function plainText(code: string, text: string): string {
  if (code === 'ECONNREFUSED') return 'nothing listens on that port (ECONNREFUSED)';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `the host name cannot be resolved (${code})`;
  if (/ETIMEDOUT/.test(`${code} ${text}`)) return 'no answer (timed out)';
  return text === '' ? code : text;
}

/** Errors of channel operations. What is not the broker's own word means that the connection went. */
export function channelFailure(error: unknown, address: AmqpAddress, entity?: string): EventsError {
  if (isEventsError(error)) return error;
  const words = redact(replyText(error), address);
  const details = { cause: error };
  const subject = entity === undefined ? '' : `${entity}: `;
  switch (replyCode(error)) {
    case 404:
      return missing(words, error);
    case 405:
      return new EventsError('queue-locked', `${subject}${words}`, { ...details, hint: LOCKED_HINT });
    case 403:
      return /exclusive/.test(words)
        ? new EventsError('queue-locked', `${subject}${words}`, { ...details, hint: LOCKED_HINT })
        : new EventsError('access-refused', `${subject}${words}`, {
            ...details,
            hint: `Grant the permission to user "${address.user}" (rabbitmqctl set_permissions).`,
          });
    case 406:
      return new EventsError('topology-conflict', `${subject}${words}`, details);
    default:
      return new EventsError('unreachable', `The connection to ${whereIs(address)} went: ${words}`, details);
  }
}

/** "NOT_FOUND - no exchange 'name' in vhost '/'", the same for queues. */
function missing(words: string, cause: unknown): EventsError {
  const [, kind, name = ''] = /no (exchange|queue) '([\s\S]*)' in vhost/.exec(words) ?? [];
  return kind === 'exchange' ? exchangeMissing(name, cause) : queueMissing(name, cause);
}

export function closedError(): EventsError {
  return new EventsError('closed', 'The transport is closed');
}
