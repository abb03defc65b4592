/**
 * Cases of HTTP/1.1 in Markdown: each has a title, its reason, the bytes and what must be read in them. In a block of bytes line ends
 * of the file mean nothing; `\r \n \t \0 \\ \xNN` stand for octets. Reads files only.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface WireCase {
  readonly file: string;
  readonly title: string;
  readonly bytes: Buffer;
  /** One line for each thing that is read. */
  readonly events: readonly string[];
  /** What the bytes need to be read: `method HEAD` for a response, `eof` where the connection ends behind them. */
  readonly options: readonly string[];
}

const FOLDER = join(import.meta.dirname, "cases");

/** Cases of the files whose name begins with the prefix. */
export function casesOf(prefix: string): readonly WireCase[] {
  const files = readdirSync(FOLDER).filter((file) => file.startsWith(prefix) && file.endsWith(".md"));
  return files.toSorted().flatMap((file) => readCases(file, readFileSync(join(FOLDER, file), "utf8")));
}

/** Every case stands under a heading of its own, and has exactly one block of bytes and one of events. */
export function readCases(file: string, markdown: string): readonly WireCase[] {
  return markdown
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const [title = ""] = section.split("\n");
      const blocks = [...section.matchAll(/^```(\w+)(.*)\n([\s\S]*?)^```$/gm)];
      const [bytes, ...moreBytes] = blocks.filter(([, kind]) => kind === "http");
      const [events, ...moreEvents] = blocks.filter(([, kind]) => kind === "events");
      if (bytes === undefined || events === undefined || moreBytes.length + moreEvents.length > 0)
        throw new Error(`${file}: "${title}" has not exactly one block of http and one of events`);
      return {
        file,
        title,
        bytes: octetsOf(bytes[3] ?? ""),
        events: (events[3] ?? "").trimEnd().split("\n"),
        options: (bytes[2] ?? "").split(",").map((option) => option.trim()),
      };
    });
}

const ESCAPES: Readonly<Record<string, string>> = { r: "\r", n: "\n", t: "\t", "0": "\0", "\\": "\\" };

/** The octets that a block of bytes stands for. `\{5*x}` repeats a character. */
function octetsOf(text: string): Buffer {
  const octets = text
    .replaceAll("\n", "")
    .replaceAll(/\\x([0-9a-f]{2})|\\\{(\d+)\*(.)\}|\\(.)/gi, (_all, hex, count, repeated, letter) => {
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
      if (count !== undefined) return String(repeated).repeat(Number(count));
      const octet = ESCAPES[letter];
      if (octet === undefined) throw new Error(`Unknown escape \\${letter}`);
      return octet;
    });
  return Buffer.from(octets, "latin1");
}

/** Text as events show it: what is not visible ASCII or a space is escaped. */
export function shown(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]|\\/g, (octet) => `\\x${octet.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
