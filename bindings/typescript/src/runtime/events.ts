/** What the native module has told: each event goes to the part of the runtime that it is of. */

import type { Garbage } from './garbage.ts';
import {
  EVENT_CANCELLED,
  EVENT_COLLECT,
  EVENT_EXIT,
  EVENT_FUNCTION_FORGOTTEN,
  EVENT_GET,
  EVENT_OUTPUT,
  EVENT_RAYLET_GONE,
  EVENT_RUNTIME_ENDS,
  EVENT_UNHANDLED,
  EVENT_WAIT,
  type Records,
  readValue,
} from './records.ts';
import type { Values } from './values.ts';
import type { Waits } from './waits.ts';
import type { Watches } from './watches.ts';

/** What the session reports to the process that it belongs to. */
export interface SessionListener {
  output(name: string, pid: number, isError: boolean, text: string): void;
  /** Reads what has come while this thread blocks: lines have to be written without the event loop. */
  whileBlocked(read: () => void): void;
  unhandled(error: unknown): void;
  cancelled(token: number): void;
  /** Nobody runs this function here any more. */
  functionForgotten(number: number): void;
  exit(): void;
  /** The runtime ends, whatever runs here, and waits for what this worker has to do. */
  runtimeEnds(): void;
  /** The raylet is gone; nothing can be done with this session any more. Says why, if nobody has asked for it. */
  ended(reason: string | undefined): void;
}

/** What events need of their session. */
export interface EventHost {
  readonly waits: Waits;
  readonly watches: Watches;
  readonly values: Values;
  readonly garbage: Garbage;
  /** One count less on an object. */
  release(handle: number): void;
  /** The runtime is over. */
  end(): void;
}

/** Whose lines those of the runtime itself are. */
const RUNTIME_NAME = 'eagleray';

export class Events {
  private readonly host: EventHost;
  private readonly listener: SessionListener;
  /** What the runtime itself has printed last: before it ends by itself, it says why. */
  lastWords: string | undefined;

  constructor(host: EventHost, listener: SessionListener) {
    this.host = host;
    this.listener = listener;
  }

  /** Reads all events of some records, which nothing may overwrite meanwhile. */
  read(records: Records, length: number): void {
    let at = 0;
    while (at < length) {
      const word = at >>> 2;
      const size = records.u32[word]!;
      this.readOne(records, at, records.u32[word + 1]!);
      at += size;
    }
  }

  private readOne(records: Records, at: number, kind: number): void {
    const word = at >>> 2;
    const { u32 } = records;
    switch (kind) {
      case EVENT_WAIT:
        if (this.host.watches.settle(u32[word + 2]!)) return;
        this.host.waits.settle(u32[word + 2]!, records, at + 16, u32[word + 3]!);
        return;
      case EVENT_GET:
        this.host.waits.settle(u32[word + 2]!, records, at + 16, u32[word + 3]!);
        return;
      case EVENT_UNHANDLED:
        this.readUnhandled(records, at + 8);
        return;
      case EVENT_OUTPUT:
        this.readOutput(records, at);
        return;
      case EVENT_CANCELLED:
        this.listener.cancelled(u32[word + 2]!);
        this.host.waits.interrupt(u32[word + 2]!);
        return;
      case EVENT_FUNCTION_FORGOTTEN:
        this.listener.functionForgotten(u32[word + 2]!);
        return;
      case EVENT_EXIT:
        this.listener.exit();
        return;
      case EVENT_RUNTIME_ENDS:
        this.listener.runtimeEnds();
        return;
      case EVENT_COLLECT:
        this.host.garbage.collect();
        return;
      case EVENT_RAYLET_GONE:
        this.host.end();
    }
  }

  /** The error is kept for the report, and goes with it. */
  private readUnhandled(records: Records, at: number): void {
    const { handle } = readValue(records, at);
    this.listener.unhandled(this.host.values.errorAt(records, at));
    this.host.release(handle);
  }

  private readOutput({ bytes, u32 }: Records, at: number): void {
    const word = at >>> 2;
    const nameEnd = at + 24 + u32[word + 4]!;
    const text = (start: number, end: number): string =>
      Buffer.from(bytes.buffer, start, end - start).toString();
    const name = text(at + 24, nameEnd);
    const line = text(nameEnd, nameEnd + u32[word + 5]!);
    const pid = u32[word + 2]!;
    if (name === RUNTIME_NAME && pid === process.pid) this.lastWords = line;
    this.listener.output(name, pid, u32[word + 3] === 1, line);
  }
}
