/** G10: texts that would be lines, colours or fields of the log. */
import { expect } from "vitest";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import { until } from "#test/support/until.ts";
import type { Lane } from "#test/support/lanes.ts";
import { startDos } from "./dos-world.ts";
import type { LoneRow } from "./runner.ts";

export function dosLogs(lane: Lane): readonly LoneRow[] {
  return [
    {
      id: "G10",
      class: "dos",
      name: "what a client writes into its path, its fields or its key is one escaped text in one line of JSON",
      proof: () => injections(lane),
    },
  ];
}

const FORGED = '{"level":60,"event":"forged"}';
const BREAKS = [
  `\r\n${FORGED}`,
  `\n${FORGED}\n`,
  `%0d%0a${FORGED}`,
  "\x1b[2J\x1b[31mred",
  '","event":"forged","x":"',
  "\\u000a\\",
  "\x00\x07\x7f",
  "\u0085\u009b31m",
  "%1b[31m",
];

async function injections(lane: Lane): Promise<void> {
  await using scene = await startDos(lane);
  const { gateway } = scene;
  const requests = BREAKS.flatMap((text) => [
    requestHead("GET", `/none/${text}`),
    requestHead("GET", `/x?${text}`),
    requestHead("GET", "/x", [`User-Agent: ${text}`]),
    requestHead("GET", "/x", [`X-Request-Id: ${text}`]),
    requestHead("GET", "/x", [`X-Api-Key: tg_sk_live_${text}`]),
    requestHead("GET", "/x", [`Authorization: Bearer ${text}`]),
    requestHead(`GET${text}`, "/x"),
    requestHead("GET", "/x", [`Host: ${text}`]),
  ]);
  const before = gateway.logs().length;
  let answers = 0;
  for (const request of requests) {
    const { responses } = await rawExchange(gateway.port, request, { responses: 1, idleMs: 5000 });
    answers += responses.filter(({ status }) => status >= 400).length;
    expect.soft(responses.length, JSON.stringify(request)).toBeGreaterThan(0);
  }
  const lines = () => gateway.logs().slice(before);
  await until("each refusal has its line", () => lines().filter(({ event }) => event === "refused").length >= answers);
  expect(lines().filter(({ event }) => event !== "refused")).toEqual([]);
  const written = gateway
    .output()
    .split("\n")
    .filter((line) => line !== "");
  // Each line of the log is JSON; nothing else has been written since the start.
  expect(written.slice(-answers).filter((line) => !isObject(line))).toEqual([]);
  expect(written.slice(-answers).filter((line) => /[\x00-\x1f\x7f-\x9f]/.test(line))).toEqual([]);
}

function isObject(line: string): boolean {
  try {
    return typeof JSON.parse(line) === "object";
  } catch {
    return false;
  }
}
