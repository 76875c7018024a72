// The processes of the proxy's measurement: `upstream` (a service as Express would be, without the work), `proxy`
// (records to a file) and `caller` (the worker).
import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import { serve } from './child.mjs';

const BODY = JSON.stringify({
  userId: '9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d',
  jobId: '3f8a2c1e-6b7d-4e5f-9a0b-1c2d3e4f5a6b',
  resultId: '1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed',
  status: 'completed',
});
const HEADERS = {
  'Content-Type': 'application/json',
  'X-Internal-Service': 'true',
  'X-Service-Key': 'secret',
  'Content-Length': Buffer.byteLength(BODY),
};

const ROLES = {
  async upstream() {
    const server = createServer((incoming, response) => {
      let text = '';
      incoming.setEncoding('utf8').on('data', (piece) => {
        text += piece;
      });
      incoming.on('end', () => {
        JSON.parse(text);
        response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"success":true}');
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return {
      port: () => server.address().port,
      close() {
        server.closeAllConnections();
        server.close();
      },
    };
  },

  async proxy({ upstream, file }) {
    const { startRecordingProxy } = await import('../dist/legacy/proxy.js');
    const { callbackLine } = await import('../dist/legacy/callback-record.js');
    const { openAppend } = await import('../dist/storage/append-file.js');
    const spool = openAppend(file);
    const proxy = await startRecordingProxy({
      listen: { port: 0 },
      upstreams: { notification: upstream },
      onRecord: (record) => spool.append(callbackLine(record)),
      onGap: (gap) => {
        throw new Error(`a gap in the bench: ${JSON.stringify(gap)}`);
      },
    });
    return {
      port: () => proxy.port,
      counts: () => proxy.counts(),
      async close() {
        await proxy.close();
        spool.close();
      },
    };
  },

  async caller() {
    const keptAlive = new Agent({ keepAlive: true });
    const send = (port, agent) =>
      new Promise((resolve, reject) => {
        const begun = performance.now();
        const outgoing = request(
          {
            host: '127.0.0.1',
            port,
            agent,
            method: 'POST',
            path: '/notifications/analysis-complete',
            headers: HEADERS,
          },
          (incoming) => {
            if (incoming.statusCode !== 200) reject(new Error(`answered ${incoming.statusCode}`));
            incoming.resume().on('end', () => resolve(performance.now() - begun));
          },
        );
        outgoing.on('error', reject).end(BODY);
      });
    return {
      /** Milliseconds of each of `count` callbacks, `lanes` at a time. */
      async send(port, count, keepAlive, lanes = 1) {
        const times = [];
        const lane = async () => {
          while (times.length < count) times.push(await send(port, keepAlive ? keptAlive : false));
        };
        await Promise.all(Array.from({ length: lanes }, lane));
        return times;
      },
      close: () => keptAlive.destroy(),
    };
  },
};

serve(({ role, ...args }) => ROLES[role](args));
