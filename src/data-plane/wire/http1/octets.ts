/** Classes of octets in HTTP/1.1, as tables by octet. Pure. */

export const CR = 0x0d;
export const LF = 0x0a;
export const SP = 0x20;
export const HTAB = 0x09;
export const QUOTE = 0x22;
export const BACKSLASH = 0x5c;
export const EQUALS = 0x3d;
export const COLON = 0x3a;
export const SEMICOLON = 0x3b;

function tableOf(includes: (octet: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, octet) => (includes(octet) ? 1 : 0));
}

const TOKEN_CHARACTERS = /[!#$%&'*+.^_`|~0-9A-Za-z-]/;

/** 1 for the octets of a token: methods, field names (RFC 9110 §5.6.2). */
export const TOKEN = tableOf((octet) => octet < 0x80 && TOKEN_CHARACTERS.test(String.fromCharCode(octet)));

/** 1 for the octets of a field value: HTAB, SP, visible ones, and those beyond ASCII (RFC 9110 §5.5). */
export const FIELD = tableOf((octet) => octet === HTAB || (octet >= SP && octet !== 0x7f));

/** 1 for what a request target is made of: visible ASCII. */
export const VISIBLE = tableOf((octet) => octet > SP && octet < 0x7f);

/** Value of a hexadecimal digit, -1 for any other octet. */
export const HEX = Int8Array.from({ length: 256 }, (_, octet) =>
  /[0-9A-Fa-f]/.test(String.fromCharCode(octet)) ? Number.parseInt(String.fromCharCode(octet), 16) : -1,
);
