/** A module that both sides can load, and that the driver loads only if somebody asks for it. */

export class AnywhereError extends Error {
  hint = 'look here';

  told() {
    return `${this.message}: ${this.hint}`;
  }
}

export class Fails {
  constructor() {
    throw new AnywhereError('no luck');
  }

  method() {
    return 1;
  }
}
