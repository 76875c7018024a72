/** JSON text from outside, read so that it can neither crash us nor end up in an error message. */
import { messageOf } from '../errors.js';

/**
 * Nesting allowed. Writing JSON back is recursive in V8 and overflows the stack at some 5,000 levels: a 12 KB
 * body could end a process. No event is nested like that.
 */
const MAX_DEPTH = 512;

export type ParsedJson = { readonly value: unknown } | { readonly problem: string };

/** The value of a JSON text, or what is wrong with it, without any piece of the text. Never throws. */
export function parseJson(text: string): ParsedJson {
  if (text.length > 2 * MAX_DEPTH && isTooDeep(text)) {
    return { problem: `nested deeper than ${MAX_DEPTH} levels` };
  }
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { problem: withoutQuote(messageOf(error)) };
  }
}

/** V8 quotes a piece of the text (`…"budi@exam"… is not valid JSON`): that may be anybody's data. */
function withoutQuote(problem: string): string {
  return problem.replace(/,? (\.\.\.)?"[\s\S]*" ?(\.\.\.)? ?is not valid JSON$/, '');
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

function isTooDeep(text: string): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (inString) {
      if (code === BACKSLASH) at++;
      else if (code === QUOTE) inString = false;
    } else if (code === QUOTE) inString = true;
    else if (code === 0x5b || code === 0x7b) {
      depth++;
      if (depth > MAX_DEPTH) return true;
    } else if (code === 0x5d || code === 0x7d) depth--;
  }
  return false;
}
