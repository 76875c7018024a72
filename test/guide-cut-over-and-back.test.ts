/** The guide "cut over and back" shows what the commands really print: its flow, run and compared. */
import { writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readFlagFile } from '../src/migration/flag-file.js';
import { eventually } from './await.js';
import { runCli, startCli } from './commands/cli.js';
import { flagFolder, openGateIn } from './commands/flag-stage.js';
import { storedRun } from './commands/shadow-stores.js';
import { notPrinted, readGuide } from './guide.js';

/** Times, hosts and folders differ from run to run. */
function stable(line: string): string {
  return line
    .trimEnd()
    .replace(/^ +…$/, '…')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replaceAll(` on ${hostname()}`, ' on worker-3')
    .replace(/(\/[^\s/:]+)+\/(\w+\.(json|db))/g, 'FOLDER/$2')
    .replace(/ {2,}/g, '  ');
}

const { shown } = readGuide('cut-over-and-back.md', stable);
const linesOf = (text: string) => text.trimEnd().split('\n').map(stable);
const wordsOf = (command: string) =>
  [...command.matchAll(/"([^"]*)"|(\S+)/g)].slice(1).map(([, quoted, word]) => quoted ?? word ?? '');

describe('the guide "cut over and back"', () => {
  it('shows the way from off to complete, through the gate of each stage, and back', async () => {
    const folder = flagFolder();
    /** Runs a command of the guide, and compares. Those that move the flag are not asked here. */
    const compare = async (command: string, code = 0) => {
      const isMove = /^atma-events flag (set|on|off|rollout)/.test(command) && !command.includes('--dry-run');
      const args = [...wordsOf(command), ...(isMove ? ['--yes'] : [])];
      const { exitCode, stdout, stderr } = await runCli(args, folder.options);
      // Of a rollout both are worth showing.
      const output = stdout === '' ? stderr : command.includes('rollout') ? stderr + stdout : stdout;
      expect(exitCode, stderr).toBe(code);
      expect(notPrinted(shown(command), linesOf(output)), output).toEqual([]);
    };
    /** A run of the stage in which the flag stands now. */
    const newRun = (name: string) =>
      storedRun({ how: 'goesOn', flags: [readFlagFile(folder.file).hash], path: join(folder.cwd, name) });
    await runCli(['setup', '--yes'], folder.options);
    await compare('atma-events flag');
    await compare('atma-events flag set publish --reason "outboxes are in place"');
    await compare('atma-events flag set shadow --reason "consumers run dry"');
    await compare('atma-events flag set live --percent 5 --reason "let us see"', 4);

    await openGateIn(folder);
    await compare('atma-events flag status');
    await compare('atma-events flag set live --percent 5 --reason "a month SAFE" --dry-run');
    await compare('atma-events flag set live --percent 5 --reason "a month SAFE"');
    const watch = startCli(['flag', 'watch'], folder.options);
    await watch.says('watching');
    await compare('atma-events flag rollout --to live --steps 25,50,100 --every 2s --reason "a month SAFE"');
    writeFileSync(join(folder.cwd, '.env'), '# of the worker\nUSE_EVENT_DRIVEN=false\n');
    await compare('atma-events flag env .env');
    newRun('live.db');
    await compare(
      'atma-events flag rollout --to rampdown --steps 50,100 --every 2s --reason "a week in live" --store live.db',
    );
    newRun('rampdown.db');
    await compare('atma-events flag set complete --reason "the sample is SAFE" --store rampdown.db');
    await eventually('the last stage was seen', () => watch.stdout().includes('complete'));
    await compare('atma-events flag off');
    await compare('atma-events flag history --limit 2 --verify');
    await eventually('all of it was seen', () => watch.stdout().includes('shadow'));
    watch.child.kill('SIGINT');
    const { stdout } = await watch.ended;
    expect(linesOf(stdout)).toEqual(shown('atma-events flag watch'));
  }, 90_000);

  it('shows a file for the day on which there is no command line, which services and the command line take', async () => {
    const { flag, file } = flagFolder();
    const [json] = shown('cat > flags.json <<EOF').filter((line) => line.startsWith('{'));
    writeFileSync(file, `${json}\n`);
    expect(JSON.parse((await flag('--json')).stdout)).toMatchObject({ stage: 'shadow', percent: 100 });
    expect((await flag('history', '--verify')).exitCode).toBe(4);
  });
});
