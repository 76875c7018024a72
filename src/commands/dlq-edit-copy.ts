/** The copy that `dlq edit` sends in place of a dead letter. */
import { HEADER_EDITED_FROM } from '../core/consuming/origin.js';
import type { OutgoingMessage, ReceivedMessage } from '../core/message.js';
import { idOf } from '../dead-letters/groups.js';
import type { Criteria } from './dead-letter-selection.js';

export type Edit = NonNullable<Criteria['edit']>;

/**
 * Puts the edited body into what is sent, under an id of its own: consumers that remember the first one's id must not
 * take it for done. The same edit gives the same copy, so that a resumed replay sends no second one.
 */
export function editOf(
  edit: Edit,
): (outgoing: OutgoingMessage, original: ReceivedMessage) => OutgoingMessage {
  const body = Buffer.from(edit.body, 'base64');
  return (outgoing, original) => ({
    ...outgoing,
    body,
    properties: {
      ...outgoing.properties,
      messageId: edit.messageId,
      headers: { ...outgoing.properties.headers, [HEADER_EDITED_FROM]: idOf(original) },
    },
  });
}
