/** The project's own cases of requests (`test/data-plane/wire/http1/cases/`), as streams to send. */
import { casesOf } from "#test/data-plane/wire/http1/cases.ts";
import type { Case } from "./corpus.ts";

export function ownCases(): readonly Case[] {
  return casesOf("requests").map(({ file, title, bytes }) => ({ id: `${file.replace(/\.md$/, "")}: ${title}`, bytes }));
}
