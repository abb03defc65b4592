/**
 * A CSV file (RFC 4180) as rows of named cells, with every fault at its row. Main thread, pure. A byte order mark, CRLF and empty lines are
 * fine. Row 1 is the header, as spreadsheets count. Not here: what cells mean (`account-import.ts`, `user-import.ts`).
 */
import { isUtf8 } from "node:buffer";
import { CsvError, parse } from "csv-parse";

export interface CsvFault {
  readonly row: number;
  /** null: the row as a whole. */
  readonly column: string | null;
  readonly reason: string;
}

export interface CsvRow {
  readonly row: number;
  /** Trimmed; null: empty, or there is no such column. */
  readonly cell: (column: string) => string | null;
}

export interface CsvColumns {
  readonly required: readonly string[];
  readonly optional: readonly string[];
}

export interface CsvTable {
  readonly rows: readonly CsvRow[];
  readonly faults: readonly CsvFault[];
}

/** More would keep everybody else from the store for too long: nothing is written while an import is. */
const ROWS_MAX = 100_000;

/** Faults in the header or in the quoting end the reading: what comes behind cannot be told. */
export async function readCsv(bytes: Buffer, columns: CsvColumns): Promise<CsvTable> {
  if (!isUtf8(bytes)) return { rows: [], faults: [{ row: 1, column: null, reason: "File is not UTF-8" }] };
  const records = parse(bytes, { bom: true, relaxColumnCount: true });
  const rows: CsvRow[] = [];
  const faults: CsvFault[] = [];
  let header: readonly string[] | null = null;
  let row = 0;
  try {
    for await (const record of records as AsyncIterable<readonly string[]>) {
      row++;
      if (record.length === 1 && record[0]?.trim() === "") continue;
      if (rows.length === ROWS_MAX) {
        const reason = `More than ${ROWS_MAX} rows: import them in several files`;
        return { rows: [], faults: [{ row, column: null, reason }] };
      }
      if (header === null) {
        header = record.map((name) => name.trim());
        const wrong = headerFaults(header, row, columns);
        if (wrong.length > 0) return { rows, faults: wrong };
      } else if (record.length === header.length) rows.push(rowOf(row, header, record));
      else faults.push({ row, column: null, reason: `Expected ${header.length} cells, got ${record.length}` });
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    // Records that were read and not yet taken are gone with the error, which has their number.
    const read = typeof error.records === "number" ? error.records : row;
    faults.push({ row: read + 1, column: null, reason: "Quotes are broken, here or before" });
  }
  if (header === null && faults.length === 0) faults.push({ row: 1, column: null, reason: "File has no header" });
  return { rows, faults };
}

function rowOf(row: number, header: readonly string[], record: readonly string[]): CsvRow {
  const cell = (column: string) => record[header.indexOf(column)]?.trim() || null;
  return { row, cell };
}

function headerFaults(header: readonly string[], row: number, { required, optional }: CsvColumns): CsvFault[] {
  const known = [...required, ...optional];
  const wrong = header.flatMap((column, index) => {
    if (!known.includes(column)) return { row, column, reason: `Unknown column; there are ${known.join(", ")}` };
    return header.indexOf(column) === index ? [] : { row, column, reason: "Column is there twice" };
  });
  const missing = required.filter((column) => !header.includes(column));
  return [...wrong, ...missing.map((column) => ({ row, column, reason: "Column is missing" }))];
}
