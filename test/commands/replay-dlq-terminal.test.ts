import { expect, it } from 'vitest';
import { failureHeader } from '../../src/core/consuming/failure-record.js';
import { failed, failure } from '../dead-letters/letters.js';
import { withTransport } from './brokers.js';
import { temporaryFolder } from './cli.js';
import { buried, describeAlone } from './dead-letters.js';
import { die, eventOf, idsIn, idsOf, toBody } from './dying.js';
import { KEYS, startOnTerminal, terminalsToBeHad } from './pseudo-terminal.js';

describeAlone('replay-dlq on a terminal', (broker, dlq) => {
  const options = () => broker.options({ cwd: temporaryFolder() });

  it.runIf(terminalsToBeHad)('lets the operator pick queues, groups and target', async () => {
    await die(broker, 2);
    await withTransport(broker, (transport) =>
      transport.publish({
        exchange: '',
        routingKey: dlq(),
        body: toBody(eventOf(3)),
        properties: {
          messageId: 'm-3',
          headers: {
            'x-failure': failureHeader({
              ...failure,
              queue: broker.assessments,
              message: 'for a@example.com',
            }),
          },
        },
      }),
    );
    const terminal = startOnTerminal(['replay-dlq'], options());
    await terminal.shows('Which dead-letter queues?');
    await terminal.shows(`${dlq()}: 3 (rejected, exhausted)`);
    terminal.types(KEYS.space, KEYS.enter);
    await terminal.shows(`Which groups of ${dlq()}?`);
    await terminal.shows('TypeError: for ***@example.com');
    terminal.types(KEYS.space, KEYS.enter);
    await terminal.shows('Where to?');
    terminal.types(KEYS.enter);
    await terminal.shows(`Replay 1 dead letter of ${dlq()} to ${broker.assessments}?`);
    terminal.types(KEYS.enter);
    expect(await terminal.ended).toBe(0);
    expect(terminal.shown()).toContain('1 replayed');
    expect(terminal.shown()).not.toContain(' a@example');
    expect(await idsIn(broker, broker.assessments)).toEqual(['m-3']);
    expect(await idsIn(broker, dlq())).toEqual(idsOf(2));
  });

  it.runIf(terminalsToBeHad)(
    'asks before it moves anything, and takes no and Ctrl-C for an answer',
    async () => {
      await die(broker, 2);
      const question = `Replay 2 dead letters of ${dlq()} to ${broker.notifications}?`;
      const declined = startOnTerminal(['replay-dlq', dlq()], options());
      await declined.shows(question);
      declined.types('n', KEYS.enter);
      expect(await declined.ended).toBe(130);
      const interrupted = startOnTerminal(['replay-dlq'], options());
      await interrupted.shows('Which dead-letter queues?');
      interrupted.types(KEYS.interrupt);
      expect(await interrupted.ended).toBe(130);
      expect(interrupted.shown()).toContain('nothing was changed');
      expect(await idsIn(broker, dlq())).toEqual(idsOf(2));
    },
  );

  it.runIf(terminalsToBeHad)('asks also when what is meant lies beyond what was looked at', async () => {
    const headers = (exception: string) => failed({ exception, queue: broker.notifications });
    const many = Array.from({ length: 1000 }, () => ({ body: '{}', headers: headers('TypeError') }));
    await buried(broker, ...many, {
      body: '{}',
      headers: headers('RangeError'),
      properties: { messageId: 'm-1' },
    });
    const filter = 'failure.exception == "RangeError"';
    const terminal = startOnTerminal(['replay-dlq', dlq(), '--filter', filter], options());
    await terminal.shows('How many is not known');
    terminal.types('n', KEYS.enter);
    expect(await terminal.ended).toBe(130);
    expect(await idsIn(broker, broker.notifications)).toEqual([]);
  });

  it.runIf(terminalsToBeHad)(
    'without the management API nothing is looked into before it is picked',
    async () => {
      await die(broker, 1);
      const env = { RABBITMQ_MANAGEMENT_URL: 'http://127.0.0.1:1' };
      const terminal = startOnTerminal(['replay-dlq'], broker.options({ cwd: temporaryFolder(), env }));
      await terminal.shows(broker.name === 'amqp' ? `${dlq()}: 1` : `${dlq()}: 1 (rejected)`);
      if (broker.name === 'amqp') {
        await terminal.shows('rabbitmq-plugins enable rabbitmq_management');
        expect(terminal.shown()).not.toContain('(rejected)');
      }
      terminal.types(KEYS.interrupt);
      expect(await terminal.ended).toBe(130);
    },
  );

  it.runIf(terminalsToBeHad)('picking is not needed where there are no dead letters', async () => {
    const terminal = startOnTerminal(['replay-dlq'], options());
    await terminal.shows('There are no dead letters.');
    expect(await terminal.ended).toBe(0);
  });
});
