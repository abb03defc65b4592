/**
 * Lists of structured fields (RFC 9651 §4.2), read as strictly as its parsing algorithm does; for what the gateway writes about
 * limits. Items only: inner lists, dates and display strings are refused, since no field of ours has them.
 */

export type BareItem = number | string | boolean | { readonly token: string } | { readonly bytes: string };

export interface Item {
  readonly value: BareItem;
  readonly parameters: ReadonlyMap<string, BareItem>;
}

/** The items of a list. Throws with the place for anything that is no list. */
export function parseList(text: string): readonly Item[] {
  return new ListParser(text).list();
}

class ListParser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  list(): readonly Item[] {
    const items: Item[] = [];
    this.#skip(/ */y);
    while (this.#at < this.#text.length) {
      items.push(this.#item());
      this.#skip(/[ \t]*/y);
      if (this.#at === this.#text.length) return items;
      if (this.#text[this.#at] !== ",") this.#fail("a comma");
      this.#at += 1;
      this.#skip(/[ \t]*/y);
      if (this.#at === this.#text.length) this.#fail("an item behind the comma");
    }
    return items;
  }

  #item(): Item {
    const value = this.#bareItem();
    const parameters = new Map<string, BareItem>();
    while (this.#text[this.#at] === ";") {
      this.#at += 1;
      this.#skip(/ */y);
      const key = this.#take(/[a-z*][a-z0-9_.*-]*/y) ?? this.#fail("a key");
      const hasValue = this.#text[this.#at] === "=";
      if (hasValue) this.#at += 1;
      parameters.set(key, hasValue ? this.#bareItem() : true);
    }
    return { value, parameters };
  }

  #bareItem(): BareItem {
    const number = this.#take(/-?[0-9]+(\.[0-9]*)?/y);
    if (number !== null) return this.#number(number);
    const string = this.#take(/"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"/y);
    if (string !== null) return string.slice(1, -1).replaceAll(/\\(["\\])/g, "$1");
    const bytes = this.#take(/:[A-Za-z0-9+/=]*:/y);
    if (bytes !== null) return { bytes: bytes.slice(1, -1) };
    const boolean = this.#take(/\?[01]/y);
    if (boolean !== null) return boolean === "?1";
    const token = this.#take(/[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*/y);
    return token === null ? this.#fail("an item") : { token };
  }

  /** Integers have 15 digits at most, decimals 12 and 3. */
  #number(text: string): number {
    const [whole = "", decimals] = text.replace("-", "").split(".");
    const isGood =
      decimals === undefined ? whole.length <= 15 : whole.length <= 12 && decimals.length >= 1 && decimals.length <= 3;
    return isGood ? Number(text) : this.#fail("a number of fewer digits");
  }

  #take(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const [found] = pattern.exec(this.#text) ?? [];
    if (found === undefined) return null;
    this.#at += found.length;
    return found;
  }

  #skip(pattern: RegExp): void {
    this.#take(pattern);
  }

  #fail(wanted: string): never {
    throw new Error(`Not a structured list: expected ${wanted} at ${this.#at} of ${JSON.stringify(this.#text)}`);
  }
}
