/**
 * Texts of API keys that another system made. Pure, any thread. No expression of the file is ever run on what clients send: a format is a
 * prefix, an alphabet and a length.
 */
export const ALPHABETS = ["base62", "hex", "base64url"] as const;

export interface ForeignFormat {
  readonly prefix: string;
  readonly alphabet: (typeof ALPHABETS)[number];
  /** Characters behind the prefix. */
  readonly length: { readonly min: number; readonly max: number };
}

const CHARACTERS = { base62: /^[0-9A-Za-z]*$/, hex: /^[0-9A-Fa-f]*$/, base64url: /^[0-9A-Za-z_-]*$/ } as const;

/** Whether `text` has one of these formats. Costs its length. */
export function isForeignKey(text: string, formats: readonly ForeignFormat[]): boolean {
  return formats.some(({ prefix, alphabet, length: { min, max } }) => {
    const rest = text.length - prefix.length;
    return (
      rest >= min && rest <= max && text.startsWith(prefix) && CHARACTERS[alphabet].test(text.slice(prefix.length))
    );
  });
}

/** Whether keys of one of these formats can begin so. */
export function canBeginSo(start: string, formats: readonly ForeignFormat[]): boolean {
  return formats.some(({ prefix }) => prefix.startsWith(start) || start.startsWith(prefix));
}

/** Characters of a secret that its start leaves unsaid at least: the start is kept as it is, and shown. */
export const UNSAID_MIN = 10;

/** Whether the start of a secret of one of these formats says too much of it. */
export function saysTooMuch(start: string, formats: readonly ForeignFormat[]): boolean {
  return formats.some(
    ({ prefix, length: { min } }) => start.startsWith(prefix) && start.length > prefix.length + min - UNSAID_MIN,
  );
}
