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
const ROW_CHARS_MAX = 16_384;
/** A file of nothing but commas would be millions of cells, and as many faults. */
const CELLS_MAX = 100;

/** Faults in the header or in the quoting end the reading: what comes behind cannot be told. */
export async function readCsv(bytes: Buffer, columns: CsvColumns): Promise<CsvTable> {
  if (!isUtf8(bytes)) return { rows: [], faults: [{ row: 1, column: null, reason: "File is not UTF-8" }] };
  const wide = wideRow(bytes);
  if (wide !== null)
    return { rows: [], faults: [{ row: wide, column: null, reason: `Row has more than ${CELLS_MAX} cells` }] };
  // All of it is parsed at once: what is too much must not be.
  const bounds = { to: ROWS_MAX + 2, maxRecordSize: ROW_CHARS_MAX };
  const records = parse(bytes, { bom: true, relaxColumnCount: true, ...bounds });
  const rows: CsvRow[] = [];
  const faults: CsvFault[] = [];
  let header: readonly string[] | null = null;
  let row = 0;
  try {
    for await (const record of records as AsyncIterable<readonly string[]>) {
      row++;
      if (row > ROWS_MAX + 1) {
        const reason = `More than ${ROWS_MAX} rows: import them in several files`;
        return { rows: [], faults: [{ row, column: null, reason }] };
      }
      if (record.length === 1 && record[0]?.trim() === "") continue;
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
    const isLong = error.code === "CSV_MAX_RECORD_SIZE";
    const reason = isLong ? `Row is longer than ${ROW_CHARS_MAX} characters` : "Quotes are broken, here or before";
    faults.push({ row: read + 1, column: null, reason });
  }
  if (header === null && faults.length === 0) faults.push({ row: 1, column: null, reason: "File has no header" });
  return { rows, faults };
}

const [COMMA, QUOTE, LINE_FEED] = [0x2c, 0x22, 0x0a];

/** The first row of too many cells; null: there is none. */
function wideRow(bytes: Buffer): number | null {
  let row = 1;
  let cells = 1;
  let isQuoted = false;
  for (const byte of bytes) {
    if (byte === QUOTE) isQuoted = !isQuoted;
    else if (isQuoted) continue;
    else if (byte === COMMA && ++cells > CELLS_MAX) return row;
    else if (byte === LINE_FEED) {
      row++;
      cells = 1;
    }
  }
  return null;
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
