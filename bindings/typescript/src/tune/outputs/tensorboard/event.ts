/**
 * TensorBoard's `Event`, of the two kinds that are written here: the first of a file, and one with a summary.
 *
 * Source: `event.proto` and `summary.proto` in tensorboard/compat/proto.
 */

import { doubleField, floatField, integerField, messageField, textField } from './protobuf.ts';

/** Every file begins with it. */
export function versionEvent(atMs: number): Buffer {
  return Buffer.concat([wallTime(atMs), textField(3, 'brain.Event:2')]);
}

/** Values of one step. @param atMs milliseconds since 1970 */
export function summaryEvent(atMs: number, step: number, values: readonly Buffer[]): Buffer {
  // A step of 0 is the default, which is left out on the wire.
  const stepField = step === 0 ? Buffer.alloc(0) : integerField(2, step);
  return Buffer.concat([wallTime(atMs), stepField, messageField(5, ...values)]);
}

/** A number. It is kept in 32 bits, as TensorBoard has it. */
export function scalarValue(tag: string, value: number): Buffer {
  return messageField(1, textField(1, tag), floatField(2, value));
}

/** What is for a plugin, in its own encoding. */
export function pluginValue(tag: string, plugin: string, content: Buffer): Buffer {
  const pluginData = messageField(1, textField(1, plugin), messageField(2, content));
  // An empty tensor of floats: TensorBoard drops values that have none.
  const nullTensor = messageField(8, integerField(1, 1), messageField(2));
  return messageField(1, textField(1, tag), nullTensor, messageField(9, pluginData));
}

function wallTime(atMs: number): Buffer {
  return doubleField(1, atMs / 1000);
}
