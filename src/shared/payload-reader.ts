/** Reads the values of a journal record one after the other; throws RangeError beyond its end. Pure. See `journal-format.ts`. */
export class PayloadReader {
  readonly #from: Buffer;
  #at: number;

  /** By default behind the byte that says the kind. */
  constructor(from: Buffer, at = 1) {
    this.#from = from;
    this.#at = at;
  }

  /** The bytes of a frame, as latin1, without reading its texts. */
  frameBytes(): string {
    const start = this.#at;
    for (let text = 0; text < 4; text++) this.#move(this.short());
    for (let meters = this.byte(); meters > 0; meters--) this.#move(this.short() + 1);
    if (this.#at > this.#from.length) throw new RangeError("Frame ends behind its record");
    return this.#from.toString("latin1", start, this.#at);
  }

  byte(): number {
    return this.#from.readUInt8(this.#move(1));
  }

  short(): number {
    return this.#from.readUInt16LE(this.#move(2));
  }

  int(): number {
    return this.#from.readUInt32LE(this.#move(4));
  }

  double(): number {
    return this.#from.readDoubleLE(this.#move(8));
  }

  text(): string {
    const length = this.short();
    const at = this.#move(length);
    if (this.#at > this.#from.length) throw new RangeError("Text ends behind its record");
    return this.#from.toString("utf8", at, at + length);
  }

  #move(bytes: number): number {
    const at = this.#at;
    this.#at += bytes;
    return at;
  }
}
