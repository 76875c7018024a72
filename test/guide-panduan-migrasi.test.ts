/** The guide in Bahasa Indonesia shows what the commands really print, in the version that it names. */
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseEnv } from 'node:util';
import { describe, expect, it } from 'vitest';
import { STAGES } from '../src/core/migration/stage.js';
import { readFlagFile } from '../src/migration/flag-file.js';
import type { GateCheck } from '../src/migration/gate-check.js';
import { EXIT } from '../src/terminal/exit-codes.js';
import { runCli, startCli } from './commands/cli.js';
import { type FlagFolder, flagFolder, openGateIn } from './commands/flag-stage.js';
import { storedRun } from './commands/shadow-stores.js';
import { readCompose, readEnvExample, textOf } from './compose-file.js';
import { notPrinted, readGuide } from './guide.js';

const PATH = fileURLToPath(new URL('../docs/id/panduan-migrasi.md', import.meta.url));
const text = readFileSync(PATH, 'utf8');

/** Times, hosts, folders, free ports and how long the example of an environment is differ from run to run. */
function stable(line: string): string {
  return line
    .trimEnd()
    .replace(/^ +…$/, '…')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replaceAll(` on ${hostname()}`, ' on worker-3')
    .replace(/^\.env:\d+:/, '.env:N:')
    .replace(/http:\/\/127\.0\.0\.1:\d+/, 'PROXY')
    .replace(/(\/[^\s/:]+)+\/(\w+\.(json|db))/g, 'FOLDER/$2')
    .replace(/ {2,}/g, '  ');
}

const { shown } = readGuide('../id/panduan-migrasi.md', stable);
const linesOf = (output: string) => output.trimEnd().split('\n').map(stable);
const wordsOf = (command: string) =>
  [...command.matchAll(/"([^"]*)"|(\S+)/g)].slice(1).map(([, quoted, word]) => quoted ?? word ?? '');

/** Runs a command of the guide, and compares. Those that move the flag are not asked here. */
async function compare({ options }: FlagFolder, command: string, { code = 0, which = 0 } = {}) {
  const isMove = /^atma-events flag (set|on|off|rollout)/.test(command);
  const { exitCode, stdout, stderr } = await runCli(
    [...wordsOf(command), ...(isMove ? ['--yes'] : [])],
    options,
  );
  // Of a rollout both are worth showing.
  const output = stdout === '' ? stderr : command.includes('rollout') ? stderr + stdout : stdout;
  expect(exitCode, stderr).toBe(code);
  expect(notPrinted(shown(command, which), linesOf(output)), output).toEqual([]);
}

async function toShadow(folder: FlagFolder) {
  await compare(folder, 'atma-events flag set publish --reason "outbox sudah terpasang"');
  await compare(folder, 'atma-events flag set shadow --reason "consumer berjalan dalam dry run"');
}

/** First columns of the tables, without marks. */
const firstColumns = [...text.matchAll(/^\| `?([\w-]+)`? \|/gm)].map(([, word]) => word);

describe('the guide in Bahasa Indonesia', () => {
  it('shows the way to shadow, and what the gate says without evidence', async () => {
    const folder = flagFolder();
    await compare(folder, 'atma-events setup');
    await toShadow(folder);
    await compare(folder, 'atma-events flag set live --reason "coba dulu"', { code: 4 });
    const command =
      'atma-events shadow run --listen 4010 --upstream notification=http://localhost:3005 --upstream assessment=http://localhost:3003';
    const run = startCli(wordsOf(command.replace('4010', '0')), folder.options);
    await run.says('recorded in');
    expect(notPrinted(shown(command), linesOf(run.stderr()))).toEqual([]);
    await compare(folder, 'atma-events shadow verdict', { code: 6 });
    run.child.kill('SIGINT');
    expect((await run.ended).exitCode).toBe(130);
  });

  it('shows the way from shadow to complete, through the gate of each stage, and back', async () => {
    const folder = flagFolder();
    await toShadow(folder);
    const gate = await openGateIn(folder);
    /** A run of the stage in which the flag stands now. */
    const newRun = (name: string) =>
      storedRun({ how: 'goesOn', flags: [readFlagFile(gate.file).hash], path: join(gate.cwd, name) });
    await compare(gate, 'atma-events shadow verdict', { which: 1 });
    await compare(gate, 'atma-events flag');
    await compare(
      gate,
      'atma-events flag rollout --to live --steps 5,25,50,100 --every 2s --reason "sebulan SAFE"',
    );
    const env = join(gate.cwd, '.env');
    copyFileSync(new URL('../.env.example', import.meta.url), env);
    await compare(gate, 'atma-events flag env .env');
    const { set } = readEnvExample();
    expect(parseEnv(readFileSync(env, 'utf8'))).toEqual({ ...set, USE_EVENT_DRIVEN: 'true' });
    newRun('live.db');
    await compare(
      gate,
      'atma-events flag rollout --to rampdown --steps 50,100 --every 2s --reason "live seminggu tanpa gangguan" --store live.db',
    );
    newRun('rampdown.db');
    await compare(gate, 'atma-events flag set complete --reason "sampel tetap SAFE" --store rampdown.db');
    await compare(gate, 'atma-events flag', { which: 1 });
    await compare(gate, 'atma-events flag off');
    await compare(gate, 'atma-events flag history --limit 2 --verify');
  }, 90_000);

  it('is of the version that is there', () => {
    expect(text).toContain(`\`atma-events\` ${JSON.parse(textOf('package.json')).version};`);
  });

  it('tells of all stages, in their order, all checks of the gate, and all exit codes', () => {
    const checks: { readonly [check in GateCheck['check']]: true } = {
      ...{ step: true, reason: true, verdict: true },
      ...{ 'dead-letters': true, consumers: true, 'second-person': true },
    };
    expect(firstColumns.filter((word) => STAGES.some((stage) => stage === word))).toEqual(STAGES);
    expect(firstColumns).toEqual(expect.arrayContaining(Object.keys(checks)));
    const codes = firstColumns.filter((word) => /^\d+$/.test(word ?? '')).map(Number);
    expect(codes).toEqual(Object.values(EXIT));
  });

  it('has the file for the day without a command line, as the guide in English has it', () => {
    const command = 'cat > flags.json <<EOF';
    expect(shown(command)).toEqual(readGuide('cut-over-and-back.md', stable).shown(command));
  });

  it('names variables and containers that exist', () => {
    const names = [...text.matchAll(/\b[A-Z]{2,}(?:_[A-Z]+)+\b/g)].map(([name]) => name);
    expect(names.length).toBeGreaterThan(5);
    expect(names.filter((name) => !readEnvExample().names.includes(name))).toEqual([]);
    const { services } = readCompose();
    const [, profile = ''] = /docker compose --profile (\w+) up/.exec(text) ?? [];
    const [, asked = ''] = /docker compose run --rm (\w+) atma-events flag/.exec(text) ?? [];
    expect(services[profile]?.profiles).toEqual([profile]);
    expect(services[asked]).toBeDefined();
    const [, url = ''] = /(http:\/\/shadow:\d+)/.exec(text) ?? [];
    expect(services.shadow?.command).toContain(`--listen=0.0.0.0:${new URL(url).port}`);
  });

  const inline = new Set([...text.matchAll(/`atma-events ([^`]+)`/g)].map(([, command = '']) => command));

  it.each([...inline].filter((command) => !command.startsWith('--')))(
    'names a command with options that it has: %s',
    async (command) => {
      const words = wordsOf(`atma-events ${command}`);
      const options = words.filter((word) => word.startsWith('--'));
      const verbs = words.filter((word) => /^[a-z-]+$/.test(word) && !word.startsWith('--'));
      const { exitCode, stdout } = await runCli([...verbs, '--help']);
      expect(exitCode).toBe(0);
      expect(stdout).toContain(`Usage: atma-events ${verbs.join(' ')} `);
      for (const option of options) expect(stdout).toContain(option);
    },
  );

  it('links only to what exists, headings included', () => {
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)];
    expect(links.length).toBeGreaterThan(5);
    for (const [, to = '', heading] of links) {
      const path = to === '' ? PATH : join(dirname(PATH), to);
      expect(existsSync(path), to).toBe(true);
      if (heading === undefined) continue;
      const headings = [...readFileSync(path, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
        title
          .toLowerCase()
          .replace(/[^\w\s-]/g, '')
          .replaceAll(' ', '-'),
      );
      expect(headings, to).toContain(heading);
    }
  });
});
