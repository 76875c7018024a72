/**
 * For services that send callbacks, and for those whose callbacks or deliveries are to be compared and cannot be seen from
 * outside. Exports only.
 */
export {
  type CallbackClient,
  createCallbackClient,
  type OutgoingCallback,
} from './callback-client.js';
export type { CallbackAuth, TokenSource } from './callback-client-auth.js';
export { CallbackError } from './callback-client-error.js';
export type {
  CallbackCircuitChange,
  CallbackClientOptions,
  CallbackRetry,
  CallbackService,
  CallbackSettings,
  CallbackTimeouts,
} from './callback-client-options.js';
export type { CallbackAnswer } from './callback-client-sending.js';
export { type CallbackRecord, callbackLine, readCallbackLine } from './callback-record.js';
export { type DeliveryRecord, deliveryLine } from './delivery-record.js';
export {
  type CallbackRecorder,
  type CallbackRecorderOptions,
  createCallbackRecorder,
  type ObservedCallback,
} from './record-callback.js';
export {
  createDeliveryRecorder,
  type DeliveryRecorder,
  type DeliveryRecorderOptions,
  type ObservedDelivery,
} from './record-delivery.js';
export type { CallbackGap } from './record-queue.js';
