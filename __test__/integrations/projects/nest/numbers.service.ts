import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { type ActorHandle, get, init, remote, shutdown } from 'eagleray';

import { square } from './square';

/** The work itself: functions of a module, which workers import; they know nothing of Nest. */
const remoteSquare = remote(square);

class Tally {
  private total = 0;

  add(by: number): number {
    return (this.total += by);
  }
}
const RemoteTally = remote(Tally);

/** Starts the runtime with the application and ends it with it. */
@Injectable()
export class Numbers implements OnModuleInit, OnApplicationShutdown {
  private tally!: ActorHandle<Tally>;

  onModuleInit(): void {
    init({ numCpus: 2 });
    this.tally = RemoteTally.remote();
  }

  async onApplicationShutdown(): Promise<void> {
    await shutdown();
  }

  async sumOfSquares(values: readonly number[]): Promise<number> {
    const squares = await get(values.map((value) => remoteSquare.remote(value)));
    let total = 0;
    for (const each of squares) total = await get(this.tally.add.remote(each));
    return total;
  }
}
