/** Where the edited body comes from: the person's editor, or a file. */
import { EventsError } from '../core/errors.js';
import type { Catalog } from '../core/events/catalog.js';
import type { ReceivedMessage } from '../core/message.js';
import { readDeadLetter } from '../dead-letters/groups.js';
import { type EditorFile, openInEditor } from '../terminal/editor.js';
import { confirm } from '../terminal/prompt.js';
import { reportError } from '../terminal/report-error.js';
import { forPeople } from '../terminal/safe-text.js';
import type { Session } from './deps.js';
import { type EditableBody, editedBody } from './dlq-edit-body.js';
import { readWhole } from './whole-input.js';

export interface EditSource {
  /** The dead-letter queue that it is in. */
  readonly queue: string;
  readonly original: ReceivedMessage;
  /** Undefined: the body is not text. */
  readonly editable: EditableBody | undefined;
  readonly catalog: Catalog;
}

export interface Edited {
  readonly body: Buffer;
  /** Of the editor: what was typed, gone with the command unless it is kept. */
  readonly file?: EditorFile;
}

/** Until it is valid, or the person gives up. `gave-up` has been said on stderr. */
export async function fromEditor(source: EditSource, session: Session): Promise<Edited | 'gave-up'> {
  const { terminal, signal, globals } = session;
  const { editable } = source;
  if (editable === undefined) {
    throw new EventsError('usage', 'The body is not text: an editor could damage it', {
      hint: 'Give the whole body with --body FILE; dlq export saves it as it is.',
    });
  }
  const file = openInEditor(
    terminal,
    editable.form === 'json' ? 'body.json' : 'body.txt',
    Buffer.from(editable.text),
  );
  session.defer(() => {
    if (!file.isKept) file.remove();
  });
  for (;;) {
    const text = await file.edit(signal);
    if (text === undefined) {
      terminal.err('error: The editor ended in an error: nothing was changed');
      return 'gave-up';
    }
    const outcome = check(text, source, session);
    if (!(outcome instanceof EventsError)) return { ...outcome, file };
    reportError(outcome, terminal, globals.debug);
    if (!(await confirm(terminal, 'Edit again?', true, signal))) {
      terminal.err('Nothing was changed.');
      return 'gave-up';
    }
  }
}

/** Throws `input-invalid` or `event-invalid` when it cannot be sent. */
export async function fromFile(name: string, source: EditSource, session: Session): Promise<Edited> {
  const outcome = check(await readWhole(name, session), source, session);
  if (outcome instanceof EventsError) throw outcome;
  return outcome;
}

function check(bytes: Buffer, source: EditSource, { terminal }: Session): Edited | EventsError {
  const { queue, original, editable, catalog } = source;
  const edited = editedBody(editable?.form ?? 'raw', bytes, original.body);
  if ('problem' in edited)
    return new EventsError('input-invalid', `The body cannot be sent: ${edited.problem}`);
  // What was not changed is not sent: it need not be valid.
  if (edited.body.equals(original.body)) return edited;
  const { decoded } = readDeadLetter(catalog, { ...original, body: edited.body }, queue);
  if (decoded.valid) return edited;
  if (decoded.type === undefined || catalog.find(decoded.type) === undefined) {
    terminal.note(forPeople(`Not validated: no event "${decoded.type ?? ''}" in the catalog.`));
    return edited;
  }
  return new EventsError('event-invalid', `Not a valid ${decoded.type}`, { issues: decoded.errors });
}
