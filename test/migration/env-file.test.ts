import { spawnSync } from 'node:child_process';
import { parseEnv } from 'node:util';
import { describe, expect, it } from 'vitest';
import { editEnv } from '../../src/migration/env-file.js';

const KEY = 'USE_EVENT_DRIVEN';

function edit(text: string, value = 'true') {
  const { bytes, ...rest } = editEnv(Buffer.from(text), KEY, value);
  return { text: bytes.toString(), ...rest };
}

/** As dotenv 16 reads a file (its own expression). */
function dotenvValue(text: string): string | undefined {
  const line =
    /^\s*(?:export\s+)?([\w.-]+)(?:\s*=\s*?|:\s+?)(\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*`(?:\\`|[^`])*`|[^#\r\n]+)?\s*(?:#.*)?$/gm;
  let value: string | undefined;
  for (const [, name, found = ''] of text.replace(/\r\n?/g, '\n').matchAll(line)) {
    if (name === KEY) value = found.trim().replace(/^(['"`])([\s\S]*)\1$/, '$2');
  }
  return value;
}

function shellValue(text: string): string {
  const program = 'eval "$1"; printf %s "$USE_EVENT_DRIVEN"';
  return spawnSync('sh', ['-c', program, 'sh', text], { encoding: 'utf8', env: {} }).stdout;
}

describe('USE_EVENT_DRIVEN in a .env file', () => {
  it.each([
    ['alone', 'USE_EVENT_DRIVEN=false\n', 'USE_EVENT_DRIVEN=true\n'],
    ['without a final newline', 'A=1\nUSE_EVENT_DRIVEN=false', 'A=1\nUSE_EVENT_DRIVEN=true'],
    ['exported', '  export USE_EVENT_DRIVEN=false\nB=2\n', '  export USE_EVENT_DRIVEN=true\nB=2\n'],
    ['in double quotes', 'USE_EVENT_DRIVEN="false"\n', 'USE_EVENT_DRIVEN="true"\n'],
    ['in single quotes', "USE_EVENT_DRIVEN='false' # x\n", "USE_EVENT_DRIVEN='true' # x\n"],
    ['in backticks, which a shell would run', 'USE_EVENT_DRIVEN=`false`\n', 'USE_EVENT_DRIVEN=true\n'],
    [
      'in a file with CRLF',
      'A=1\r\nUSE_EVENT_DRIVEN=false\r\nB=2\r\n',
      'A=1\r\nUSE_EVENT_DRIVEN=true\r\nB=2\r\n',
    ],
    ['with blanks around', 'USE_EVENT_DRIVEN = false  \n', 'USE_EVENT_DRIVEN = true  \n'],
    ['with a comment behind', 'USE_EVENT_DRIVEN=false   # of Rina\n', 'USE_EVENT_DRIVEN=true   # of Rina\n'],
    ['with a comment that touches it', 'USE_EVENT_DRIVEN=false#x\n', 'USE_EVENT_DRIVEN=true #x\n'],
    ['empty', 'USE_EVENT_DRIVEN=\nB=2\n', 'USE_EVENT_DRIVEN=true\nB=2\n'],
    ['empty at the end of the file', 'USE_EVENT_DRIVEN=', 'USE_EVENT_DRIVEN=true'],
    ['empty, with a comment', 'USE_EVENT_DRIVEN=  # later\n', 'USE_EVENT_DRIVEN=true  # later\n'],
    ['empty in quotes', 'USE_EVENT_DRIVEN=""\n', 'USE_EVENT_DRIVEN="true"\n'],
    ['with a colon', 'USE_EVENT_DRIVEN: false\n', 'USE_EVENT_DRIVEN: true\n'],
    ['something else', 'USE_EVENT_DRIVEN=ja, bitte\n', 'USE_EVENT_DRIVEN=true\n'],
    ['in capitals, which the services do not take', 'USE_EVENT_DRIVEN=TRUE\n', 'USE_EVENT_DRIVEN=true\n'],
    ['after a byte order mark', '\ufeffUSE_EVENT_DRIVEN=false\n', '\ufeffUSE_EVENT_DRIVEN=true\n'],
    ['ending in half a quote', 'USE_EVENT_DRIVEN="false\nB="x"\n', 'USE_EVENT_DRIVEN=true\nB="x"\n'],
    ['with more behind the quotes', 'USE_EVENT_DRIVEN="fal"se\n', 'USE_EVENT_DRIVEN=true\n'],
    ['with an accent at its end', 'USE_EVENT_DRIVEN=voilà\n', 'USE_EVENT_DRIVEN=true\n'],
  ])('%s is set, and nothing else', (_, before, after) => {
    expect(edit(before)).toMatchObject({ text: after, action: 'set' });
    expect(edit(after)).toMatchObject({ text: after, action: 'kept' });
  });

  it.each([
    ['an empty file', '', 'USE_EVENT_DRIVEN=true\n', 1],
    ['a file', 'A=1\n', 'A=1\nUSE_EVENT_DRIVEN=true\n', 2],
    ['one without a final newline', 'A=1', 'A=1\nUSE_EVENT_DRIVEN=true', 2],
    ['one with CRLF', 'A=1\r\nB=2', 'A=1\r\nB=2\r\nUSE_EVENT_DRIVEN=true', 3],
    [
      'one where it is commented out',
      '# USE_EVENT_DRIVEN=false\n',
      '# USE_EVENT_DRIVEN=false\nUSE_EVENT_DRIVEN=true\n',
      2,
    ],
    [
      'one with a longer name',
      'NO_USE_EVENT_DRIVEN=x\nUSE_EVENT_DRIVEN_OLD=y\n',
      'NO_USE_EVENT_DRIVEN=x\nUSE_EVENT_DRIVEN_OLD=y\nUSE_EVENT_DRIVEN=true\n',
      3,
    ],
    [
      'one where it is text of another value',
      'NOTE="see\nUSE_EVENT_DRIVEN=false\n"\n',
      'NOTE="see\nUSE_EVENT_DRIVEN=false\n"\nUSE_EVENT_DRIVEN=true\n',
      4,
    ],
  ])('is added to %s as its last line', (_, before, after, line) => {
    expect(edit(before)).toEqual({ text: after, action: 'added', line, before: undefined, overridden: [] });
  });

  it('of several assignments the last is set, which is the one that counts', () => {
    const text = 'USE_EVENT_DRIVEN=true\nexport USE_EVENT_DRIVEN="true"\nA=1\nUSE_EVENT_DRIVEN=true\n';
    expect(edit(text, 'false')).toEqual({
      text: 'USE_EVENT_DRIVEN=true\nexport USE_EVENT_DRIVEN="true"\nA=1\nUSE_EVENT_DRIVEN=false\n',
      action: 'set',
      line: 4,
      before: 'true',
      overridden: [1, 2],
    });
  });

  it('leaves bytes that are no UTF-8 as they are', () => {
    const bytes = Buffer.from([0x41, 0x3d, 0xe4, 0xff, 0x0a]);
    const edited = editEnv(bytes, KEY, 'true').bytes;
    expect(edited.subarray(0, 5)).toEqual(bytes);
    expect(edited.subarray(5).toString()).toBe('USE_EVENT_DRIVEN=true\n');
  });

  it('refuses what is no text', () => {
    const utf16 = Buffer.from('USE_EVENT_DRIVEN=false\n', 'utf16le');
    expect(() => editEnv(utf16, KEY, 'true')).toThrowError(/NUL bytes/);
  });

  it('is read as true by dotenv, by Node and by a shell, whatever stands around it', () => {
    const around = [
      '',
      '# x=y',
      'A=1',
      'B="two words" # c',
      "C='#'",
      'export D=4',
      'E=',
      'F="a\nb"',
      '  G=7  ',
    ];
    const ours = [
      '',
      'USE_EVENT_DRIVEN=false',
      'export USE_EVENT_DRIVEN="false" # no',
      'USE_EVENT_DRIVEN=',
      '# USE_EVENT_DRIVEN=1',
    ];
    let random = 7;
    const pick = (from: readonly string[]) => {
      random = (random * 48_271) % 2_147_483_647;
      return from[random % from.length] ?? '';
    };
    for (let round = 0; round < 400; round++) {
      const lines = [pick(around), pick(ours), pick(around), pick(ours), pick(around)];
      const text = `${lines.join('\n')}${pick(['', '\n'])}`;
      const { text: edited } = edit(text);
      expect({ text, dotenv: dotenvValue(edited) }).toEqual({ text, dotenv: 'true' });
      expect({ text, node: parseEnv(edited)[KEY] }).toEqual({ text, node: 'true' });
      if (round < 40) expect({ text, shell: shellValue(edited) }).toEqual({ text, shell: 'true' });
    }
  });
});
