export const square = (x: number): number => x * x;
export default class Tally {
  #total = 0;
  add(by: number): number {
    return (this.#total += by);
  }
}
