// The two receivers of ATMA's callbacks as they run today: the notification service has come to insist on snake case and an
// assessment_name, the assessment service refuses a null resultId. DRIFT=none lets both accept what the worker sends.
import { createServer } from 'node:http';

const { NOTIFICATION_PORT = '3005', ASSESSMENT_PORT = '3003', DRIFT } = process.env;

const wants = {
  '/notifications/analysis-complete': ['result_id', 'assessment_name'],
  '/notifications/analysis-failed': ['error_message', 'assessment_name'],
  '/assessments/callback/completed': ['resultId'],
  '/assessments/callback/failed': ['resultId'],
};

function serve(name, port) {
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const body = JSON.parse(text);
    const fields = wants[request.url];
    const missing = DRIFT === 'none' ? undefined : fields?.find((field) => (body[field] ?? null) === null);
    const [status, answer] =
      fields === undefined
        ? [404, { error: 'NOT_FOUND' }]
        : missing === undefined
          ? [200, { success: true }]
          : [400, { error: 'VALIDATION_ERROR', message: `"${missing}" is required` }];
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  });
  server.listen(port, '127.0.0.1', () =>
    console.log(`${name} service on http://127.0.0.1:${server.address().port}`),
  );
}

serve('notification', Number(NOTIFICATION_PORT));
serve('assessment', Number(ASSESSMENT_PORT));
