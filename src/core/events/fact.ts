/** Names by which a fact is known on every path that tells it, and jobs are told apart. */
import { createHash } from 'node:crypto';
import { EventsError, messageOf } from '../errors.js';
import type { ReceivedMessage } from '../message.js';
import type { Catalog, EventDefinition } from './catalog.js';
import { openInput, parseBody } from './codec.js';
import type { Envelope } from './envelope.js';

/**
 * The fact that these data (as published) tell, the same however often and on whichever path it is told: what the
 * definition's `fact` makes of them, else the event's id. Throws `config-invalid` when that function fails or names
 * nothing.
 */
export function factKeyOf(definition: EventDefinition, data: unknown, eventId: string): string {
  if (definition.fact === undefined) return factText(eventId);
  const fact = called(definition, 'fact', data);
  if (typeof fact === 'string' && fact !== '') return factText(fact);
  throw new EventsError('config-invalid', `The fact function of ${definition.type} gave no name`, {
    hint: 'It has to give a text that is not empty for all data that fit the schema.',
  });
}

/**
 * The job that these data belong to, by which percentages are split; undefined where the definition names none. Throws
 * `config-invalid` when its function fails.
 */
export function jobKeyOf(definition: EventDefinition, data: unknown): string | undefined {
  const job = called(definition, 'job', data);
  return typeof job === 'string' && job !== '' ? job : undefined;
}

/** `factKeyOf` of a message that `decode` found to be this event. */
export function factOfMessage(catalog: Catalog, event: Envelope, message: ReceivedMessage): string {
  const definition = catalog.get(event.type);
  // From the body, not the handler's data: a schema's defaults and transforms must not make another name of it.
  const parsed = definition.fact === undefined ? undefined : parseBody(message.body);
  const published = parsed !== undefined && 'value' in parsed ? openInput(definition, parsed.value) : event;
  return factKeyOf(definition, published.data, event.id);
}

/** All that an HTTP header may not hold or a proxy may change, and the two characters with a meaning in keys. */
const NOT_PLAIN = /[^!-~]|[%#]/gu;

/** In characters. A service refuses requests whose headers are longer than 8 or 16 KB altogether (431). */
const LONGEST_FACT = 500;
const SHOWN_OF_LONGER = 400;

/**
 * The name in visible ASCII, so that it is the same text in messages, HTTP headers and stores: others as `%xx` of UTF-8. One
 * that is longer than a header should be goes by its beginning and its SHA-256.
 */
export function factText(name: string): string {
  const text = name.replace(NOT_PLAIN, (character) => {
    const bytes = [...Buffer.from(character)];
    return bytes.map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
  });
  if (text.length <= LONGEST_FACT) return text;
  return `${text.slice(0, SHOWN_OF_LONGER)}...${createHash('sha256').update(text).digest('hex')}`;
}

function called(definition: EventDefinition, which: 'fact' | 'job', data: unknown): unknown {
  try {
    return definition[which]?.(data);
  } catch (error) {
    const message = `The ${which} function of ${definition.type} failed: ${messageOf(error)}`;
    throw new EventsError('config-invalid', message, { cause: error });
  }
}
