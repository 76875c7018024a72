/** Where a user's programs keep what must outlive them and is nobody's configuration. */
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import type { Environment } from '../presets/preset.js';

/**
 * `$XDG_STATE_HOME/atma-events` (XDG Base Directory Specification: a path that is not absolute is ignored), else
 * `~/.local/state/atma-events`; on Windows `%LOCALAPPDATA%\atma-events`. The same for every shell and folder of a user.
 */
export function stateFolder(environment: Environment, platform: string = process.platform): string {
  const { XDG_STATE_HOME = '', LOCALAPPDATA = '', HOME = '' } = environment;
  if (isAbsolute(XDG_STATE_HOME)) return join(XDG_STATE_HOME, 'atma-events');
  if (platform === 'win32' && LOCALAPPDATA !== '') return join(LOCALAPPDATA, 'atma-events');
  return join(HOME || homedir(), '.local', 'state', 'atma-events');
}
