import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stateFolder } from '../../src/project/state-folder.js';

describe('the state folder of a user', () => {
  it.each([
    [{ XDG_STATE_HOME: '/state', HOME: '/home/me' }, 'linux', '/state/atma-events'],
    [{ HOME: '/home/me' }, 'linux', '/home/me/.local/state/atma-events'],
    [{ XDG_STATE_HOME: 'not/absolute', HOME: '/home/me' }, 'linux', '/home/me/.local/state/atma-events'],
    [{ XDG_STATE_HOME: '', HOME: '/home/me' }, 'darwin', '/home/me/.local/state/atma-events'],
    [{ LOCALAPPDATA: '/local', HOME: '/home/me' }, 'win32', '/local/atma-events'],
    [{}, 'linux', join(homedir(), '.local/state/atma-events')],
  ])('of %j on %s is %s', (environment, platform, folder) => {
    expect(stateFolder(environment, platform)).toBe(folder);
  });
});
