import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { openLedger } from '../../src/dead-letters/ledger.js';
import { runCli, temporaryFolder } from './cli.js';
import { describeDying, die, eventOf, idsIn, messagesIn, toBody } from './dying.js';

const PROGRAM = fileURLToPath(new URL('./programs/killed-edit.mjs', import.meta.url));

describeDying('dlq edit, killed while it sends', (broker) => {
  it.each(['in-hand', 'claimed', 'published', 'confirmed', 'acked'])(
    'after the step "%s" is brought to its end by --resume: one edited copy, under one id',
    async (step) => {
      await die(broker, 2);
      const dlq = `${broker.notifications}_dlq`;
      const cwd = temporaryFolder();
      const path = join(cwd, 'replays.db');
      const edited = toBody({ ...eventOf(1), n: 100 });
      const args = [broker.url(), path, dlq, edited.toString(), 'copy-1', step];
      const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: 'inherit' });
      expect((await once(child, 'close'))[1]).toBe('SIGKILL');

      const ledger = openLedger(path);
      const [{ id } = { id: '' }] = ledger.list();
      ledger.close();
      const resumed = await runCli(
        ['replay-dlq', '--resume', id, '--ledger', path, '--json'],
        broker.options({ cwd }),
      );
      expect({ exitCode: resumed.exitCode, stderr: resumed.stderr }).toEqual({ exitCode: 0, stderr: '' });
      const { replayed, possibleDuplicates } = JSON.parse(resumed.stdout);
      expect(replayed).toBe(1);
      const copies = await messagesIn(broker, broker.notifications);
      expect(copies.length).toBeGreaterThan(0);
      expect(copies.length - 1).toBeLessThanOrEqual(possibleDuplicates);
      for (const { body, properties } of copies) {
        expect(body).toEqual(edited);
        expect(properties.messageId).toBe('copy-1');
        expect(properties.headers?.['x-edited-from']).toBe('m-1');
      }
      expect(await idsIn(broker, dlq)).toEqual(['m-2']);
    },
  );
});
