/**
 * Bodies that the two endpoints accept. With STRICT_BODY=snake a failed job needs a `resultId`, too, which it cannot have:
 * that is how the service runs today, and it answers 400 to the worker.
 */
import { z } from 'zod';

const completed = z.looseObject({ jobId: z.guid(), resultId: z.guid(), status: z.literal('completed') });
const failed = z.looseObject({
  jobId: z.guid(),
  resultId: z.guid().nullish(),
  errorMessage: z.string(),
  status: z.literal('failed'),
});

export function callbackBodies(strict) {
  return { completed, failed: strict === 'snake' ? failed.extend({ resultId: z.guid() }) : failed };
}
