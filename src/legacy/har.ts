/** HAR 1.2 files (browsers, mitmproxy, API clients) as callback records. */
import { z } from 'zod';
import { EventsError } from '../core/errors.js';
import { fieldIssues } from '../core/events/field-issues.js';
import { parseJson } from '../core/events/json.js';
import { ANSWER_LIMIT, bodyFields, type CallbackRecord } from './callback-record.js';
import { headerRecord } from './raw-headers.js';
import { redactHeaders } from './redaction.js';

const nameValue = z.looseObject({ name: z.string(), value: z.string() });

const entrySchema = z.looseObject({
  startedDateTime: z.iso.datetime({ offset: true }),
  /** Milliseconds; -1 where it is not known. */
  time: z.number().optional(),
  request: z.looseObject({
    method: z.string().min(1),
    url: z.string(),
    headers: z.array(nameValue).default([]),
    postData: z
      .looseObject({
        text: z.string().optional(),
        /** Not in HAR 1.2, but written for bodies that are no text. */
        encoding: z.string().optional(),
        params: z.array(z.looseObject({ name: z.string(), value: z.string().optional() })).optional(),
      })
      .nullish(),
  }),
  response: z.looseObject({
    /** 0 where there was no answer. */
    status: z.number(),
    content: z.looseObject({ text: z.string().optional(), encoding: z.string().optional() }).optional(),
  }),
});

const harSchema = z.looseObject({ log: z.looseObject({ entries: z.array(z.unknown()) }) });

/** True for a parsed file that is meant as a HAR. */
export function isHar(value: unknown): boolean {
  return harSchema.safeParse(value).success;
}

/** The entries of a HAR file in its order. Throws `input-invalid`, naming the entry, and none of its content. */
export function callbacksOfHar(text: string): CallbackRecord[] {
  const parsed = parseJson(text.replace(/^\uFEFF/, ''));
  if ('problem' in parsed) throw new EventsError('input-invalid', `Not JSON: ${parsed.problem}`);
  const file = harSchema.safeParse(parsed.value);
  if (!file.success) {
    throw new EventsError('input-invalid', 'Not a HAR file', {
      issues: fieldIssues(file.error.issues),
      hint: 'Expected {"log":{"entries":[…]}}, as HAR 1.2 has it.',
    });
  }
  return file.data.log.entries.map((entry, index) => {
    const result = entrySchema.safeParse(entry);
    if (result.success) return recordOf(result.data);
    throw new EventsError('input-invalid', `Entry ${index + 1} of the HAR file cannot be read`, {
      issues: fieldIssues(result.error.issues),
    });
  });
}

function recordOf({ startedDateTime, time, request, response }: z.infer<typeof entrySchema>): CallbackRecord {
  const answered = response.status >= 100;
  const words = answered && response.status >= 400 ? textOf(response.content).slice(0, ANSWER_LIMIT) : '';
  return {
    at: startedDateTime,
    method: request.method,
    path: pathOf(request.url),
    headers: redactHeaders(headerRecord(request.headers.flatMap(({ name, value }) => [name, value]))),
    ...bodyFields(bodyOf(request.postData)),
    status: answered ? response.status : null,
    ...(time !== undefined && time >= 0 && { durationMs: time }),
    ...(words !== '' && { answer: words }),
  };
}

/** Path and query as they are written; names of hosts are no part of a callback. */
function pathOf(url: string): string {
  const path = url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '').replace(/#.*$/s, '');
  return path.startsWith('/') ? path : `/${path}`;
}

function bodyOf(postData: z.infer<typeof entrySchema>['request']['postData']): Buffer {
  if (postData?.text !== undefined && (postData.text !== '' || postData.params === undefined)) {
    return Buffer.from(postData.text, postData.encoding === 'base64' ? 'base64' : 'utf8');
  }
  const params = (postData?.params ?? []).map(({ name, value = '' }): [string, string] => [name, value]);
  return Buffer.from(new URLSearchParams(params).toString());
}

function textOf(content: { text?: string | undefined; encoding?: string | undefined } | undefined): string {
  const { text = '', encoding } = content ?? {};
  return encoding === 'base64' ? Buffer.from(text, 'base64').toString('utf8') : text;
}
