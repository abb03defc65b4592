/** D08, D09: what an answer says, and what the gateway makes of it: nothing. But for its own address, which no client learns. */
import { brotliCompressSync, gzipSync } from "node:zlib";
import { expect } from "vitest";
import { ask, saying } from "./asked.ts";
import { MEMORY_GROWTH_BYTES_MAX, memoryBytes } from "./endless.ts";
import type { Row } from "./runner.ts";
import { answer } from "./wire-app.ts";

const BOMB_BYTES = 200 * 1024 * 1024;
const LAYERS = 6;

export const RESPONSE_CONTENTS: readonly Row[] = [
  {
    id: "D08",
    class: "response",
    name: "a Location at the app's own address becomes a path, so that its host stays within; any other is the app's word and passes",
    story: async (world) => {
      const { authority } = world.wire;
      const own: Readonly<Record<string, string>> = {
        [`http://${authority}/x?a=1`]: "/x?a=1",
        [`HTTP://${authority}/`]: "/",
        [`//${authority}/x`]: "/x",
        [`http://${authority}`]: "/",
        [`http://${authority}//evil.example/x`]: "/.//evil.example/x",
      };
      for (const [location, path] of Object.entries(own)) {
        for (const status of [201, 302, 308]) {
          const seen = await ask(world, saying(answer(status, "", `Location: ${location}`)));
          expect.soft(seen.answer.responses[0]?.header("location"), location).toBe(path);
          expect.soft(seen.answer.text, location).not.toContain(authority);
        }
      }
      for (const location of [
        "//evil",
        "http://elsewhere.example:9000/",
        "/x",
        "x",
        "http://127.0.0.1:1/",
        `/back?to=http://${authority}/`,
      ]) {
        const seen = await ask(world, saying(answer(302, "", `Location: ${location}`)));
        expect.soft(seen.answer.responses[0]?.header("location"), location).toBe(location);
      }
    },
  },
  {
    id: "D09",
    class: "response",
    name: "a compressed body passes as it is, a bomb too, whatever number of codings it has",
    story: async (world) => {
      const bomb = gzipSync(Buffer.alloc(BOMB_BYTES), { level: 9 });
      let layered = bomb;
      for (let layer = 1; layer < LAYERS; layer++) layered = gzipSync(layered);
      const bodies: readonly (readonly [string, Buffer])[] = [
        ["gzip", bomb],
        [Array.from({ length: LAYERS }, () => "gzip").join(", "), layered],
        ["gzip, br", brotliCompressSync(bomb)],
        ["gzip", Buffer.from("this is not gzip at all")],
      ];
      const before = await memoryBytes(world.gateway.pid);
      for (const [coding, body] of bodies) {
        const head = `HTTP/1.1 200 OK\r\nContent-Encoding: ${coding}\r\nContent-Length: ${body.length}\r\n\r\n`;
        for (const headers of [[], ["Accept-Encoding: gzip, br"]]) {
          const seen = await ask(world, saying(head, body), { headers });
          const [response] = seen.answer.responses;
          expect.soft(response?.body.equals(body), coding).toBe(true);
          expect.soft(response?.header("content-encoding"), coding).toBe(coding);
          expect.soft(seen, coding).toMatchObject({ status: 200, whole: true, usage: 1 });
        }
      }
      expect((await memoryBytes(world.gateway.pid)) - before).toBeLessThan(MEMORY_GROWTH_BYTES_MAX);
    },
  },
];
