/**
 * Text of many small pieces and numbers, put together as bytes in one place that is used again and again: to V8, text that is added up
 * is a tree of its pieces, and each number in it another one. Worker thread; ASCII only.
 */
const ZERO = 0x30;
/** Digits that an int32 has room for. */
const LOW = 1_000_000_000;
const LOW_DIGITS = 9;
/** Digits of the largest whole number. */
const DIGITS_MAX = 16;

export class ScratchText {
  #bytes = Buffer.alloc(1024);
  #length = 0;

  add(text: string): this {
    const { length } = text;
    this.#makeRoom(length);
    const bytes = this.#bytes;
    let at = this.#length;
    for (let i = 0; i < length; i++) bytes[at++] = text.charCodeAt(i);
    this.#length = at;
    return this;
  }

  /** A whole number from 0 to 2⁵³ − 1. */
  whole(value: number): this {
    this.#makeRoom(DIGITS_MAX);
    if (value < LOW) this.#digits(value, digitsOf(value));
    else {
      const high = Math.floor(value / LOW);
      this.#digits(high, digitsOf(high));
      this.#digits(value - high * LOW, LOW_DIGITS);
    }
    return this;
  }

  #digits(value: number, count: number): void {
    let rest = value | 0;
    for (let at = this.#length + count - 1; at >= this.#length; at--) {
      const tenth = (rest / 10) | 0;
      this.#bytes[at] = ZERO + rest - tenth * 10;
      rest = tenth;
    }
    this.#length += count;
  }

  #makeRoom(length: number): void {
    if (this.#length + length <= this.#bytes.length) return;
    const larger = Buffer.alloc(2 * (this.#length + length));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  /** The text so far; the next one begins. */
  take(): string {
    const text = this.#bytes.toString("latin1", 0, this.#length);
    this.#length = 0;
    return text;
  }
}

/** Of a whole number below 10⁹. */
function digitsOf(value: number): number {
  let digits = 1;
  for (let rest = value | 0; rest >= 10; rest = (rest / 10) | 0) digits++;
  return digits;
}
