/** K02, K03: configurations that would open the gateway are no configurations. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { runCli } from "#test/support/cli.ts";
import { faultsOf } from "../config/faults-of.ts";
import type { LoneRow } from "./runner.ts";
import { ADMIN_TOKEN } from "./world-config.ts";

const BAD_TOKENS = [
  '""',
  '" "',
  "null",
  "x",
  "admin",
  "changeme",
  "edd1c9f034335f136f87ad84b625c8f1".slice(0, 31),
  "a".repeat(32),
  "abab".repeat(10),
  "changeme-changeme-changeme-changeme",
  "admin-admin-admin-admin-admin-admin",
  `"${ADMIN_TOKEN} ${ADMIN_TOKEN}"`,
  '"${ADMIN_TOKEN_NOT_SET}"',
  '"${ADMIN_TOKEN_NOT_SET:-}"',
  '"${file:no-such-file}"',
  "12345678901234567890123456789012",
];

const OWN = [
  "http://127.0.0.1:8081",
  "http://localhost:8081",
  "http://[::1]:8081",
  "http://127.9.9.9:8081",
  "http://0.0.0.0:8081",
  "http://[::]:8081",
  "http://2130706433:8081",
  "http://0x7f000001:8081",
  "http://127.1:8081",
  "http://LOCALHOST.:8081",
  "http://[::ffff:127.0.0.1]:8081",
  "http://127.0.0.1:8080",
  "http://127.0.0.1:8081/admin",
];
const LINK_LOCAL = [
  "http://169.254.169.254",
  "http://169.254.169.254:80/latest",
  "http://2852039166",
  "http://0xa9fea9fe",
  "http://0251.0376.0251.0376",
  "http://169.254.0.1",
  "http://[fe80::1]",
  "http://[::ffff:169.254.169.254]",
  "http://[64:ff9b::169.254.169.254]",
  "http://[fd00:ec2::254]",
  "http://metadata.google.internal",
  "http://METADATA.google.internal.",
  "http://100.100.100.200",
];
const NO_HTTP = [
  "unix:/var/run/docker.sock",
  "file:///etc/passwd",
  "gopher://127.0.0.1:9000",
  "ftp://127.0.0.1",
  "//127.0.0.1:9000",
  "127.0.0.1:9000",
  "http:127.0.0.1:9000",
  "http://",
  "javascript:alert(1)",
  "http://user:pass@127.0.0.1:9000",
  "http://127.0.0.1:9000#x",
  "http://127.0.0.1:9000?x=1",
];

export const CONFIG_RULES: readonly LoneRow[] = [
  {
    id: "K02",
    class: "admin",
    name: "an admin token that is empty, short, well known or of one pattern refuses the start",
    proof: async () => {
      const file = (token: string) =>
        `version: 1\nserver:\n  adminToken: ${token}\nupstreams: {}\nroutes: []\nplans: { free: { default: true } }\n`;
      for (const token of BAD_TOKENS) expect.soft(faultsOf(file(token)).join(), token).toContain("3:");
      expect(faultsOf(file(ADMIN_TOKEN))).toEqual([]);
      expect(await startOf(file('""'))).toMatchObject({ code: 1, stderr: expect.stringContaining("gateway.yaml:3:") });
    },
  },
  {
    id: "K03",
    class: "admin",
    name: "an upstream at a metadata or link-local address, at the gateway itself or of another scheme refuses the start",
    proof: async () => {
      const file = (url: string, more = "") =>
        `version: 1\nupstreams:\n  app: { targets: ["${url}"]${more} }\nroutes: []\nplans: { free: { default: true } }\n`;
      for (const url of [...OWN, ...LINK_LOCAL, ...NO_HTTP]) {
        expect.soft(faultsOf(file(url)).join(), url).toContain("3:");
        expect
          .soft(faultsOf(file(url).replace(`"${url}"`, `{ url: "${url}", weight: 2 }`)).join(), `${url} with a weight`)
          .toContain("3:");
      }
      const allowed = ", allowUnsafeTargets: true";
      expect(faultsOf(file("http://169.254.169.254", allowed)), "explicitly allowed").toEqual([]);
      for (const url of OWN) expect.soft(faultsOf(file(url, allowed)).join(), `${url}, never allowed`).toContain("3:");
      expect(faultsOf(file("http://127.0.0.1:9000"))).toEqual([]);
      expect(await startOf(file("http://169.254.169.254"))).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("169.254.169.254"),
      });
    },
  },
];

async function startOf(text: string): Promise<{ readonly code: number; readonly stderr: string }> {
  const dir = mkdtempSync(join(tmpdir(), "tollgate-config-"));
  try {
    writeFileSync(join(dir, "gateway.yaml"), text);
    const { code, stderr } = await runCli(["start", "-c", "gateway.yaml"], { cwd: dir });
    return { code, stderr };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
