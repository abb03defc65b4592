/**
 * RFC 8259 as a table: state × class of byte → next state, or what there is to do. Built once at start. Worker thread, pure.
 * Not here: what is done (`json-path-scanner.ts`). Bytes from 0x80 on may stand in strings only, and are not checked there.
 */

/** States: below 32, and nothing is to be done on the way into them. */
export const S = {
  VALUE: 0, ELEMENT_OR_END: 1, NAME_OR_END: 2, NAME: 3, COLON: 4, AFTER: 5, DONE: 6, FAILED: 7,
  STRING: 8, ESCAPE: 9, HEX1: 10, HEX2: 11, HEX3: 12, HEX4: 13,
  MINUS: 14, ZERO: 15, WHOLE: 16, POINT: 17, DECIMALS: 18, E: 19, E_SIGN: 20, EXPONENT: 21,
  T: 22, TR: 23, TRU: 24, F: 25, FA: 26, FAL: 27, FALS: 28, N: 29, NU: 30, NUL: 31,
} as const; // biome-ignore format: a table

/** Actions: 32 and above. `*_START` sees the first byte of what starts, `*_END` its last, `NUMBER_END` the byte behind it. */
export const A = {
  OBJECT_START: 32, OBJECT_END: 33, ARRAY_START: 34, ARRAY_END: 35, COMMA: 36, NAME_START: 37, STRING_START: 38,
  STRING_END: 39, NUMBER_END: 40, LITERAL_END: 41,
  /** Start of a scalar: 42 + the state it starts in, which is below 32. */
  SCALAR_START: 42,
} as const; // biome-ignore format: a table

const CLASS_SHIFT = 5;
const OTHER = 0;
const CONTROL = 1;

/** One class for all characters of a text, from 2 on. Hex letters without a part of their own come last. */
const CLASS_TEXTS = [
  " ", "\t\n\r", '"', "\\", "/", "{", "}", "[", "]", ":", ",", "-", "+", ".", "0", "123456789", "e", "E", "a", "b", "f",
  "n", "r", "t", "u", "l", "s", "cdABCDF",
]; // biome-ignore format: a list

/** Class of each byte, below 32. */
export const CLASS_OF: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => classOf(String.fromCharCode(byte)));

/** Next state or action, at `state * 32 + class`. */
export const TRANSITIONS: Uint8Array = buildTransitions();

/** 1 for bytes that a string goes on after: no quote, backslash or control character. */
export const PLAIN_IN_STRING: Uint8Array = Uint8Array.from(CLASS_OF, (_, byte) =>
  TRANSITIONS[(S.STRING << CLASS_SHIFT) | (CLASS_OF[byte] ?? 0)] === S.STRING ? 1 : 0,
);

function classOf(character: string): number {
  const index = CLASS_TEXTS.findIndex((text) => text.includes(character));
  return index !== -1 ? index + 2 : character < " " ? CONTROL : OTHER;
}

function buildTransitions(): Uint8Array {
  const table = new Uint8Array(32 << CLASS_SHIFT).fill(S.FAILED);
  const put = (state: number, characters: string, next: number): void => {
    for (const character of characters) table[(state << CLASS_SHIFT) | classOf(character)] = next;
  };
  const blankable = [S.VALUE, S.ELEMENT_OR_END, S.NAME_OR_END, S.NAME, S.COLON, S.AFTER, S.DONE];
  for (const state of blankable) put(state, " \t\n\r", state);
  putValues(put);
  put(S.ELEMENT_OR_END, "]", A.ARRAY_END);
  put(S.NAME_OR_END, '"', A.NAME_START);
  put(S.NAME_OR_END, "}", A.OBJECT_END);
  put(S.NAME, '"', A.NAME_START);
  put(S.COLON, ":", S.VALUE);
  put(S.AFTER, ",", A.COMMA);
  put(S.AFTER, "}", A.OBJECT_END);
  put(S.AFTER, "]", A.ARRAY_END);
  putStrings(table, put);
  putNumbers(put);
  putLiterals(put);
  return table;
}

type Put = (state: number, characters: string, next: number) => void;

function putValues(put: Put): void {
  for (const state of [S.VALUE, S.ELEMENT_OR_END]) {
    put(state, "{", A.OBJECT_START);
    put(state, "[", A.ARRAY_START);
    put(state, '"', A.STRING_START);
    put(state, "-", A.SCALAR_START + S.MINUS);
    put(state, "0", A.SCALAR_START + S.ZERO);
    put(state, "1", A.SCALAR_START + S.WHOLE);
    put(state, "t", A.SCALAR_START + S.T);
    put(state, "f", A.SCALAR_START + S.F);
    put(state, "n", A.SCALAR_START + S.N);
  }
}

function putStrings(table: Uint8Array, put: Put): void {
  const row = S.STRING << CLASS_SHIFT;
  table.fill(S.STRING, row, row + 32);
  table[row | CONTROL] = S.FAILED;
  put(S.STRING, "\t", S.FAILED);
  put(S.STRING, '"', A.STRING_END);
  put(S.STRING, "\\", S.ESCAPE);
  put(S.ESCAPE, '"\\/bfnrt', S.STRING);
  put(S.ESCAPE, "u", S.HEX1);
  for (const state of [S.HEX1, S.HEX2, S.HEX3, S.HEX4]) {
    put(state, "01eEabfc", state === S.HEX4 ? S.STRING : state + 1);
  }
}

function putNumbers(put: Put): void {
  put(S.MINUS, "0", S.ZERO);
  put(S.MINUS, "1", S.WHOLE);
  put(S.WHOLE, "01", S.WHOLE);
  for (const state of [S.ZERO, S.WHOLE]) put(state, ".", S.POINT);
  for (const state of [S.POINT, S.DECIMALS]) put(state, "01", S.DECIMALS);
  for (const state of [S.ZERO, S.WHOLE, S.DECIMALS]) put(state, "eE", S.E);
  put(S.E, "+-", S.E_SIGN);
  for (const state of [S.E, S.E_SIGN, S.EXPONENT]) put(state, "01", S.EXPONENT);
  for (const state of [S.ZERO, S.WHOLE, S.DECIMALS, S.EXPONENT]) put(state, " \t,]}", A.NUMBER_END);
}

function putLiterals(put: Put): void {
  put(S.T, "r", S.TR);
  put(S.TR, "u", S.TRU);
  put(S.F, "a", S.FA);
  put(S.FA, "l", S.FAL);
  put(S.FAL, "s", S.FALS);
  put(S.N, "u", S.NU);
  put(S.NU, "l", S.NUL);
  for (const state of [S.TRU, S.FALS]) put(state, "e", A.LITERAL_END);
  put(S.NUL, "l", A.LITERAL_END);
}
