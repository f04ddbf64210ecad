/** Random graphs of values for property tests. The same seed gives the same value. */

/** Mulberry32: small, and good enough to spread values. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class RandomValues {
  private readonly random: () => number;
  private readonly made: object[] = [];
  private budget: number;

  constructor(seed: number, budget = 200) {
    this.random = seeded(seed);
    this.budget = budget;
  }

  /** A value that may hold up to the budget of others, in cycles and with shared parts. */
  value(): unknown {
    if (this.budget-- <= 0 || this.random() < 0.4) return this.primitive();
    if (this.made.length > 0 && this.random() < 0.15) return this.pick(this.made);
    return this.container();
  }

  private container(): unknown {
    const size = this.below(this.random() < 0.1 ? 60 : 6);
    switch (this.below(9)) {
      case 0:
      case 1: {
        const object = this.keep<Record<string, unknown>>({});
        for (let index = 0; index < size; index++) object[this.key()] = this.value();
        return object;
      }
      case 2:
      case 3: {
        const array = this.keep<unknown[]>([]);
        for (let index = 0; index < size; index++) {
          if (this.random() < 0.05) array.length++;
          else array.push(this.value());
        }
        return array;
      }
      case 4: {
        const map = this.keep(new Map<unknown, unknown>());
        for (let index = 0; index < size; index++) map.set(this.value(), this.value());
        return map;
      }
      case 5: {
        const set = this.keep(new Set<unknown>());
        for (let index = 0; index < size; index++) set.add(this.value());
        return set;
      }
      case 6:
        return this.view(size);
      case 7:
        return this.keep(new Date(this.below(2 ** 40)));
      default:
        return this.keep(Array.from({ length: size * 3 }, () => this.number()));
    }
  }

  private view(size: number): unknown {
    const constructors = [Uint8Array, Int16Array, Float32Array, Float64Array, BigInt64Array];
    const constructor = this.pick(constructors) as typeof Uint8Array;
    const shared = this.made.filter((each) => each instanceof ArrayBuffer);
    const buffer =
      shared.length > 0 && this.random() < 0.5
        ? (this.pick(shared) as ArrayBuffer)
        : this.keep(new ArrayBuffer(8 * (1 + this.below(this.random() < 0.05 ? 10_000 : 20))));
    const bytes = new Uint8Array(buffer);
    bytes[this.below(bytes.length)] = this.below(256);
    const unit = constructor.BYTES_PER_ELEMENT;
    const offset = unit * this.below(Math.max(1, Math.floor(buffer.byteLength / unit) - size));
    const length = Math.min(size, Math.floor((buffer.byteLength - offset) / unit));
    return this.keep(new constructor(buffer, offset, length));
  }

  private primitive(): unknown {
    switch (this.below(10)) {
      case 0:
        return undefined;
      case 1:
        return null;
      case 2:
        return this.random() < 0.5;
      case 3:
      case 4:
        return this.text();
      case 5:
        return (
          BigInt(this.below(2 ** 32)) ** BigInt(this.below(5)) * (this.random() < 0.5 ? 1n : -1n)
        );
      default:
        return this.number();
    }
  }

  private number(): number {
    switch (this.below(6)) {
      case 0:
        return this.random() * 1000 - 500;
      case 1:
        return this.pick([NaN, Infinity, -Infinity, -0, 2 ** 31, -(2 ** 31), 2 ** 53, 5e-324]);
      default:
        return Math.floor((this.random() - 0.3) * 2 ** this.below(40));
    }
  }

  private text(): string {
    const limit = this.pick([0x80, 0x100, 0x10000]);
    const length = this.below(this.random() < 0.1 ? 300 : 24);
    return String.fromCharCode(...Array.from({ length }, () => this.below(limit)));
  }

  private key(): string {
    const common = ['id', 'name', 'value', '0', '17', 'toString', '__proto', 'constructor', ''];
    return this.random() < 0.7 ? this.pick(common) : this.text();
  }

  private keep<T extends object>(object: T): T {
    this.made.push(object);
    return object;
  }

  private pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  private below(limit: number): number {
    return Math.floor(this.random() * limit);
  }
}
