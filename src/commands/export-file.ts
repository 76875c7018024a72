/** Files that dead letters are saved to. */
import { statSync } from 'node:fs';
import { EventsError } from '../core/errors.js';

/**
 * Throws `usage` when the path is taken: what another command has written is never mixed with this one's. With `orStream`
 * an empty file, a pipe or a device will do.
 */
export function refuseExisting(
  path: string,
  { orStream = false, hint }: { readonly orStream?: boolean; readonly hint: string },
): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  const isEmpty = found.isFile() && found.size === 0;
  if (orStream && (isEmpty || found.isFIFO() || found.isCharacterDevice())) return;
  throw new EventsError('usage', `${path} is there already`, { hint });
}
