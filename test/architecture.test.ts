/** The floors of the house: who may import whom in `src`, as docs/layout.md tells it. */
import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

interface Rule {
  /** Folders, or single files, of `src` that may be imported beside the own folder. */
  readonly sources: readonly string[];
  readonly packages: readonly string[];
}

/** Most specific path first; the first that fits a file is its rule. `*` allows everything. */
const RULES: readonly (readonly [string, Rule])[] = [
  ['core/', { sources: [], packages: ['zod', '@opentelemetry/api', 'cockatiel'] }],
  [
    'storage/',
    {
      sources: [
        'core/errors.ts',
        'core/message.ts',
        'core/consuming/idempotency.ts',
        'core/publishing/outbox-store.ts',
      ],
      packages: ['better-sqlite3'],
    },
  ],
  ['transports/embedded/', { sources: ['core/', 'storage/'], packages: [] }],
  ['transports/amqp/', { sources: ['core/', 'storage/'], packages: ['amqplib'] }],
  ['transports/redis/', { sources: ['core/', 'storage/'], packages: ['ioredis', 'redis'] }],
  ['transports/', { sources: ['core/'], packages: [] }],
  ['legacy/', { sources: ['core/'], packages: ['axios', 'httpxy', 'cockatiel', 'zod'] }],
  ['dead-letters/', { sources: ['core/', 'storage/'], packages: ['zod'] }],
  ['shadow/', { sources: ['core/', 'storage/', 'legacy/'], packages: ['zod'] }],
  [
    'migration/',
    {
      sources: ['core/', 'storage/', 'legacy/', 'dead-letters/', 'shadow/'],
      packages: ['zod', '@openfeature/flagd-core', '@openfeature/core'],
    },
  ],
  ['presets/', { sources: ['core/'], packages: ['zod'] }],
  ['project/', { sources: ['core/', 'presets/', 'transports/index.ts'], packages: ['zod', 'jiti'] }],
  [
    'terminal/',
    {
      sources: ['core/'],
      packages: ['chalk', 'cli-table3', 'inquirer', 'commander', '@marcbachmann/cel-js'],
    },
  ],
  [
    'rehearsal/',
    {
      sources: ['core/', 'storage/', 'legacy/', 'shadow/', 'migration/', 'presets/', 'project/'],
      packages: ['zod'],
    },
  ],
  [
    'commands/',
    {
      sources: [
        ...['core/', 'storage/', 'legacy/', 'dead-letters/', 'shadow/', 'migration/', 'presets/', 'project/'],
        ...['rehearsal/', 'terminal/', 'transports/index.ts'],
      ],
      packages: ['zod', 'commander'],
    },
  ],
  ['program.ts', { sources: ['commands/', 'project/', 'terminal/', 'core/'], packages: ['commander'] }],
  ['index.ts', { sources: ['*'], packages: [] }],
  ['connect.ts', { sources: ['*'], packages: ['*'] }],
  ['main.ts', { sources: ['*'], packages: ['*'] }],
];

/** Node modules that read, write or start nothing. */
const PURE_NODE_MODULES = [
  ...['async_hooks', 'buffer', 'crypto', 'diagnostics_channel', 'events', 'path', 'perf_hooks', 'stream'],
  ...['string_decoder', 'timers', 'timers/promises', 'url', 'util'],
].map((name) => `node:${name}`);

/** Above this, ask what second thing the file does. */
const MOST_LINES = 300;

const SRC = fileURLToPath(new URL('../src', import.meta.url));

interface SourceFile {
  /** From `src`, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly string[];
}

const FILES: readonly SourceFile[] = readdirSync(SRC, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => {
    const full = join(entry.parentPath, entry.name);
    const text = readFileSync(full, 'utf8');
    return { path: relative(SRC, full).split(sep).join('/'), text, imports: importsOf(text) };
  });

describe('the layout of src', () => {
  test('finds static, side-effect, re-exporting, type and lazy imports', () => {
    const text = `import { a } from './a.js';
import type {
  B,
} from '../b.js';
import './side-effect.js';
export * from './c.js';
export { d } from './d.js';
const e = await import('./e.js');
const f: import('./f.js').F = require('better-sqlite3');
// import { no } from './comment.js';
/** Copies come from './doc.js' */
export const text = "from './text.js'";
`;
    expect(importsOf(text).toSorted()).toEqual(
      [
        '../b.js',
        './a.js',
        './c.js',
        './d.js',
        './e.js',
        './f.js',
        './side-effect.js',
        'better-sqlite3',
      ].toSorted(),
    );
  });

  test('every file belongs to a floor', () => {
    expect(FILES.length).toBeGreaterThan(5);
    expect(FILES.filter(({ path }) => ruleOf(path) === undefined).map(({ path }) => path)).toEqual([]);
  });

  test('nobody imports from a floor it may not', () => {
    const wrong = FILES.flatMap(({ path, imports }) =>
      imports
        .filter((name) => name.startsWith('.'))
        .map((name) => resolve(path, name))
        .filter((target) => !mayImport(path, target))
        .map((target) => `${path} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  test('every import leads to a file of src', () => {
    const known = new Set(FILES.map(({ path }) => path));
    const wrong = FILES.flatMap(({ path, imports }) =>
      imports
        .filter((name) => name.startsWith('.') && !known.has(resolve(path, name)))
        .map((name) => `${path} imports ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  test('nobody imports a package that its folder has no business with', () => {
    const wrong = FILES.flatMap(({ path, imports }) => {
      const packages = ruleOf(path)?.[1].packages ?? [];
      return imports
        .filter((name) => !name.startsWith('.') && !isBuiltin(name))
        .filter((name) => !packages.includes(packageOf(name)) && !packages.includes('*'))
        .map((name) => `${path} imports ${name}`);
    });
    expect(wrong).toEqual([]);
  });

  test('node modules are imported by their node: names, and the core keeps to those without I/O', () => {
    const wrong = FILES.flatMap(({ path, imports }) =>
      imports
        .filter(isBuiltin)
        .filter((name) =>
          path.startsWith('core/') ? !PURE_NODE_MODULES.includes(name) : !name.startsWith('node:'),
        )
        .map((name) => `${path} imports ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  test('imports never go in a circle', () => {
    expect(circles()).toEqual([]);
  });

  test('nobody but main.ts ends the process', () => {
    expect(filesWith(/\bprocess\s*\.\s*(exit|abort|reallyExit)\b/)).toEqual(
      FILES.some(({ path }) => path === 'main.ts') ? ['main.ts'] : [],
    );
  });

  test('the core knows no environment, no console and no standard streams', () => {
    const guilty = filesWith(/\bconsole\s*\.|\bprocess\s*\.\s*(env|argv|cwd|stdin|stdout|stderr)\b/);
    expect(guilty.filter((path) => path.startsWith('core/'))).toEqual([]);
  });

  test('index.ts only exports', () => {
    const index = FILES.find(({ path }) => path === 'index.ts');
    const statements = withoutComments(index?.text ?? '').match(/^\w+/gm) ?? [];
    expect(new Set(statements)).toEqual(new Set(['export']));
  });

  test(`no file is longer than ${MOST_LINES} lines`, () => {
    const long = FILES.map(({ path, text }) => ({ path, lines: text.trimEnd().split('\n').length }));
    expect(long.filter(({ lines }) => lines > MOST_LINES)).toEqual([]);
  });
});

function importsOf(text: string): string[] {
  const code = withoutComments(text);
  const patterns = [
    /^import\s+(?:[\w$*{},\s]+?\sfrom\s+)?['"]([^'"]+)['"]/gm,
    /^export\s+(?:type\s+)?(?:\*(?:\s+as\s+\w+)?|\{[^}]*\})\s+from\s+['"]([^'"]+)['"]/gm,
    /\b(?:import|require)\(\s*['"]([^'"]+)['"]/g,
  ];
  return patterns.flatMap((pattern) => [...code.matchAll(pattern)].map(([, name = '']) => name));
}

/** Good enough for formatted code: comments on lines of their own, and at the end of one after a space. */
function withoutComments(text: string): string {
  return text.replace(/^\s*\/\*[\s\S]*?\*\//gm, '').replace(/(^|\s)\/\/ .*$/gm, '');
}

function ruleOf(path: string): readonly [string, Rule] | undefined {
  return RULES.find(([place]) => path === place || (place.endsWith('/') && path.startsWith(place)));
}

function mayImport(path: string, target: string): boolean {
  const rule = ruleOf(path);
  if (rule === undefined) return false;
  const [place, { sources }] = rule;
  // The chooser of transports is where its folder meets the concrete ones.
  if (path === 'transports/index.ts' && target.startsWith('transports/')) return true;
  return [place, ...sources].some(
    (source) => source === '*' || target === source || (source.endsWith('/') && target.startsWith(source)),
  );
}

function resolve(from: string, name: string): string {
  return posix.join(dirname(from), name).replace(/\.js$/, '.ts');
}

function packageOf(name: string): string {
  return name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');
}

/** Each circle once, as `a -> b -> a`. */
function circles(): string[] {
  const graph = new Map(
    FILES.map(({ path, imports }) => [
      path,
      imports.filter((name) => name.startsWith('.')).map((name) => resolve(path, name)),
    ]),
  );
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, trail: readonly string[]) => {
    const start = trail.indexOf(path);
    if (start !== -1) found.push([...trail.slice(start), path].join(' -> '));
    if (start !== -1 || done.has(path)) return;
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return found;
}

function filesWith(pattern: RegExp): string[] {
  return FILES.filter(({ text }) => pattern.test(withoutComments(text))).map(({ path }) => path);
}
