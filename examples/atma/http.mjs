/** The HTTP side of a service, on node:http: routes, the service key, bodies of JSON that are checked before anything is done. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { about } from './run-service.mjs';

const LARGEST_BODY = 64 * 1024;

/** An answer that is no 200: thrown by routes, and by what is below. */
export class Refusal extends Error {
  constructor(status, error, message) {
    super(message);
    this.status = status;
    this.error = error;
  }
}

/**
 * Routes by method and path, `GET /jobs/:id`: `{ handle({ request, body, id, query }), body: schema, internal: true }`. What
 * `handle` gives is the answer: an object, or an iterator of texts, or `{ status, json }`. An `internal` route wants the
 * service key.
 */
export async function listen({ settings, log, routes, key }) {
  let closing = false;

  async function answer(request, response) {
    const { pathname, searchParams } = locationOf(request) ?? {};
    if (pathname === undefined) throw new Refusal(400, 'BAD_REQUEST', 'no path');
    const cut = pathname.lastIndexOf('/') + 1;
    const route =
      routes[`${request.method} ${pathname}`] ?? routes[`${request.method} ${pathname.slice(0, cut)}:id`];
    if (route === undefined) throw new Refusal(404, 'NOT_FOUND', 'no such route');
    if (route.internal && !knows(request.headers, key)) {
      throw new Refusal(401, 'UNAUTHORIZED', 'X-Internal-Service and X-Service-Key are needed');
    }
    const body = route.body && checked(route.body, await readJson(request));
    const result = await route.handle({ request, body, query: searchParams, id: pathname.slice(cut) });
    if (result !== null && Symbol.iterator in result) return stream(response, result);
    if ('json' in result) return send(response, result.status, result.json);
    return send(response, 200, result);
  }

  function send(response, status, json) {
    // What comes over a kept connection after this has to go to another process.
    if (closing) response.setHeader('connection', 'close');
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
  }

  const server = createServer(async (request, response) => {
    try {
      await answer(request, response);
    } catch (error) {
      if (response.headersSent) return response.destroy(); // the client is gone, or has half of an answer
      if (error instanceof Refusal) {
        return send(response, error.status, { error: error.error, message: error.message });
      }
      // Whoever called tries again: 503 says that it may help.
      log.error('request-failed', { path: request.url.split('?')[0], ...about(error) });
      send(response, 503, { error: 'UNAVAILABLE', message: 'try again' });
    }
  });
  server.listen(settings.PORT, settings.HOST);
  await once(server, 'listening');

  return {
    server,
    port: server.address().port,
    /** Requests in hand are answered; no further ones are taken. */
    async close() {
      closing = true;
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Path and query of a request; undefined for what is none (`//`). */
export function locationOf({ url }) {
  return URL.canParse(url, 'http://localhost') ? new URL(url, 'http://localhost') : undefined;
}

/** Compared in constant time, so that nobody finds out the key letter by letter. */
function knows(headers, key) {
  const digest = (text) => createHash('sha256').update(text).digest();
  const given = headers['x-service-key'];
  return (
    headers['x-internal-service'] === 'true' &&
    typeof given === 'string' &&
    timingSafeEqual(digest(given), digest(key))
  );
}

async function readJson(request) {
  const chunks = [];
  let bytes = 0;
  // What is left of a body that is too large must not cost the client its answer.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    bytes += chunk.length;
    if (bytes > LARGEST_BODY) throw new Refusal(413, 'TOO_LARGE', `at most ${LARGEST_BODY} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new Refusal(400, 'VALIDATION_ERROR', 'the body is not JSON');
  }
}

/** Says which fields are wrong, and nothing of their content. */
function checked(schema, json) {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const fields = result.error.issues.map(({ path }) => path.join('.') || 'the body');
  throw new Refusal(400, 'VALIDATION_ERROR', `missing or wrong: ${[...new Set(fields)].join(', ')}`);
}

async function stream(response, texts) {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  for (const text of texts) if (!response.write(text)) await once(response, 'drain');
  response.end();
}
