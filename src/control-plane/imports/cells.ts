/** Checks of single cells that both imports share. Main thread, pure. */
import type { CsvFault, CsvRow } from "./csv-table.ts";

const ID_LENGTH_MAX = 255;
const NAME_LENGTH_MAX = 200;
const EMAIL_LENGTH_MAX = 254;

/** Gathers the faults of a row. */
export class CellFaults {
  readonly all: CsvFault[] = [];
  readonly #row: CsvRow;

  constructor(row: CsvRow) {
    this.#row = row;
  }

  add(column: string, reason: string): void {
    this.all.push({ row: this.#row.row, column, reason });
  }

  /** `seen` holds what earlier rows have, and their numbers. */
  id(column: string, isReserved: (id: string) => boolean, seen: Map<string, number>): string | null {
    const id = this.#row.cell(column);
    if (id === null) this.add(column, "Cell is empty");
    else if (id.length > ID_LENGTH_MAX) this.add(column, `Longer than ${ID_LENGTH_MAX} characters`);
    else if (isReserved(id)) this.add(column, "Ids of this form are the gateway's own");
    else this.once(column, id, seen);
    return id;
  }

  once(column: string, value: string, seen: Map<string, number>): void {
    const earlier = seen.get(value);
    if (earlier === undefined) seen.set(value, this.#row.row);
    else this.add(column, `Row ${earlier} has it already`);
  }

  name(): void {
    if ((this.#row.cell("name")?.length ?? 0) > NAME_LENGTH_MAX)
      this.add("name", `Longer than ${NAME_LENGTH_MAX} characters`);
  }

  email(): void {
    const email = this.#row.cell("email");
    if (email !== null && (email.length > EMAIL_LENGTH_MAX || !/^[^\s@]+@[^\s@]+$/.test(email)))
      this.add("email", "Expected an e-mail address");
  }

  /** What becomes of an id that is there. */
  conflict(column: string, isDeleted: boolean, onConflict: "error" | "skip" | "update"): void {
    if (isDeleted) this.add(column, "It is deleted");
    else if (onConflict === "error") this.add(column, "It is there already");
  }

  /** One of these words, or nothing. */
  word(column: string, known: readonly string[]): void {
    const word = this.#row.cell(column);
    if (word !== null && !known.includes(word)) this.add(column, `Expected one of ${known.join(", ")}`);
  }
}
