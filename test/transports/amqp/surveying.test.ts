/** What the management API tells of everything, and what is said where it tells nothing. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { bind, exchange, queue } from '../../../src/core/topology/model.js';
import type { Survey } from '../../../src/core/transport.js';
import { rabbitInstalled, type SharedRabbit, sharedRabbit } from '../../brokers/shared.js';
import { makeQueue, open, openRaw, toQueue, unique } from './stage.js';

describe.skipIf(!rabbitInstalled)('surveying RabbitMQ', () => {
  let broker: SharedRabbit;
  beforeAll(async () => {
    broker = await sharedRabbit();
  });

  it('without a management API it is unknown, with the reason', async () => {
    const { transport } = open(broker.url, { managementUrl: 'http://127.0.0.1:9' });
    expect(await transport.survey()).toEqual({
      state: 'unknown',
      reason: 'the management API at http://127.0.0.1:9 cannot be reached',
    });
  });

  it('where access is refused it is unknown, with the answer and without the password', async () => {
    const managementUrl = broker.managementUrl.replace('//', '//admin:s3cret@');
    const { transport } = open(broker.url, { managementUrl });
    expect(await transport.survey()).toEqual({
      state: 'unknown',
      reason: `the management API at ${broker.managementUrl} answers 401`,
    });
  });

  it.each([403, 500])('when a list is answered with %i it is unknown, with the answer', async (status) => {
    const base = await withLists((_request, response) => response.writeHead(status).end());
    const { transport } = open(broker.url, { managementUrl: base });
    expect(await transport.survey()).toEqual({
      state: 'unknown',
      reason: `the management API at ${base} answers ${status}`,
    });
  });

  it('bindings between exchanges are left out, and foreign kinds of exchanges are told as they are', async () => {
    const { transport } = open(broker.url);
    const [source, target] = [unique('headers'), unique('target')];
    const raw = await (await openRaw(broker.url)).createChannel();
    await raw.assertExchange(source, 'headers');
    await raw.assertExchange(target, 'topic');
    await raw.bindExchange(target, source, 'k');
    onTestFinished(() => transport.remove({ exchanges: [source, target] }));
    const { exchanges, bindings } = known(await transport.survey());
    expect(exchanges.filter(({ name }) => name === source)).toEqual([exchange(source, 'headers' as 'topic')]);
    expect(bindings.filter((binding) => binding.exchange === source)).toEqual([]);
  });

  it('where the API has no statistics, the queues are counted one by one', async () => {
    const { transport } = open(broker.url, { managementUrl: await withoutCounts() });
    const [idle, source] = [await makeQueue(transport), unique('exchange')];
    const owned = await makeQueue(open(broker.url).transport, {}, { durable: false, exclusive: true });
    await transport.apply({
      exchanges: [exchange(source, 'topic')],
      queues: [],
      bindings: bind(source, idle, 'k'),
    });
    onTestFinished(() => transport.remove({ exchanges: [source] }));
    await Promise.all(['a', 'b'].map((body) => transport.publish(toQueue(idle, body))));
    const { queues } = known(await transport.survey());
    expect(queues.filter(({ name }) => name === idle)).toEqual([{ ...queue(idle), ready: 2, consumers: 0 }]);
    // Nobody but its owner may ask an exclusive queue; it is there all the same.
    expect(queues.map(({ name }) => name)).toContain(owned);
  });

  /** A management API of this broker whose lists are answered by `lists`. */
  async function withLists(lists: RequestListener): Promise<string> {
    const server = createServer(async (request, response) => {
      if (request.url !== '/api/overview') return lists(request, response);
      const answer = await fetch(`${broker.managementUrl}/api/overview`, authorized(request.headers));
      response.end(await answer.text());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** As where `management_agent.disable_metrics_collector` is set. */
  function withoutCounts(): Promise<string> {
    return withLists(async ({ url, headers }, response) => {
      const answer = await fetch(`${broker.managementUrl}${url}`, authorized(headers));
      response.end(
        (await answer.text()).replace(/"(messages_ready|consumers)":\d+,?/g, '').replace(/,}/g, '}'),
      );
    });
  }
});

function authorized({ authorization = '' }: { readonly authorization?: string | undefined }) {
  return { headers: { authorization } };
}

function known(survey: Survey): Extract<Survey, { state: 'known' }> {
  if (survey.state === 'unknown') throw new Error(survey.reason);
  return survey;
}
