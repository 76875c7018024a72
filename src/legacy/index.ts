/** For services whose callbacks or deliveries are to be compared and cannot be seen from outside. Exports only. */
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
