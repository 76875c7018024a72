/** The body of a dead letter as a person edits it, and back. */
import { decodeUtf8 } from '../core/events/codec.js';
import { parseJson } from '../core/events/json.js';

export interface EditableBody {
  /** What the editor opens. */
  readonly text: string;
  /** `json`: laid out for reading, and sent without that layout again. `raw`: edited and sent as it is. */
  readonly form: 'json' | 'raw';
}

/**
 * The text of a body; undefined when it is not UTF-8. JSON is laid out only where that loses nothing: a number that
 * JavaScript would round, or a field that is there twice, is left to be edited as it is.
 */
export function editableBody(body: Buffer): EditableBody | undefined {
  let text: string;
  try {
    text = decodeUtf8(body);
  } catch {
    return undefined;
  }
  const parsed = parseJson(text);
  if ('value' in parsed && JSON.stringify(parsed.value) === withoutLayout(text)) {
    return { text: `${JSON.stringify(parsed.value, null, 2)}\n`, form: 'json' };
  }
  return { text, form: 'raw' };
}

/** The bytes to send for an edited text, or what is wrong with it. */
export function editedBody(
  form: EditableBody['form'],
  edited: Buffer,
  original: Buffer,
): { readonly body: Buffer } | { readonly problem: string } {
  if (form === 'raw') return { body: withoutAddedEnd(edited, original) };
  let text: string;
  try {
    text = decodeUtf8(edited).replace(/^\uFEFF/, '');
  } catch {
    return { problem: 'it is not UTF-8 text' };
  }
  const parsed = parseJson(text);
  if (!('value' in parsed)) return { problem: `it is not JSON: ${parsed.problem}` };
  // Of the text, not of the value: what was typed is sent, whatever JavaScript makes of a number.
  const compact = withoutLayout(text);
  // Only the layout differs: the body as it came.
  if (compact === withoutLayout(original.toString('utf8'))) return { body: original };
  return { body: Buffer.from(compact) };
}

/** JSON without the white space between its tokens. */
export function withoutLayout(json: string): string {
  return json.replace(/("(?:[^"\\]|\\.)*")|[ \t\r\n]+/g, (_, string: string | undefined) => string ?? '');
}

const LF = 0x0a;

/** Editors end the last line of a text that had no line end. */
function withoutAddedEnd(edited: Buffer, original: Buffer): Buffer {
  return edited.at(-1) === LF && original.at(-1) !== LF ? edited.subarray(0, -1) : edited;
}
