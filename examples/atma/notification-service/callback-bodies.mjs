/**
 * Bodies that the two endpoints accept. Both ways of writing them, as long as the worker sends the one and other callers the
 * other; with STRICT_BODY=snake the newer one only, which is how the service runs today: it answers 400 to the worker.
 */
import { z } from 'zod';

const ids = { userId: z.guid(), jobId: z.guid() };

const camel = {
  completed: z.looseObject({ ...ids, resultId: z.guid(), status: z.literal('completed') }),
  failed: z.looseObject({ ...ids, errorMessage: z.string(), status: z.literal('failed') }),
};

const named = { assessment_name: z.string().min(1) };
const snake = {
  completed: z
    .looseObject({ ...ids, ...named, result_id: z.guid(), status: z.enum(['completed', 'berhasil']) })
    .transform(({ userId, jobId, result_id: resultId }) => ({ userId, jobId, resultId })),
  failed: z
    .looseObject({ ...ids, ...named, error_message: z.string(), status: z.enum(['failed', 'gagal']) })
    .transform(({ userId, jobId, error_message: errorMessage }) => ({ userId, jobId, errorMessage })),
};

export function callbackBodies(strict) {
  if (strict === 'snake') return snake;
  return {
    completed: z.union([camel.completed, snake.completed]),
    failed: z.union([camel.failed, snake.failed]),
  };
}
