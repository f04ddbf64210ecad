import * as ray from 'eagleray';
import { type ActorHandle, get, remote } from 'eagleray';

class Counter {
  value = 0;
  add(by: number): number {
    return (this.value += by);
  }
}

const counter: ActorHandle<Counter> = remote(Counter).remote();
export const answer: Promise<number> = get(counter.add.remote(1));
export const isRef: boolean = ray.put(1) instanceof ray.ObjectRef;
// @ts-expect-error An argument of the wrong type.
counter.add.remote('1');
