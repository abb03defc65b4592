/**
 * `POST /admin/backup`. Main thread. Only on the ops socket and in process, where the caller is the owner of the data folder: it
 * writes where it is told to on this machine, which is no business of whoever holds the admin token elsewhere.
 */
import { isAbsolute, resolve } from "node:path";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import Type from "typebox";
import { rfc3339 } from "#core/clock.ts";
import { BackupFault, type BackupMade, backUp } from "#control-plane/store/backup.ts";
import { operation } from "./operation.ts";
import { refuseBy, reject } from "./problems.ts";
import { Time } from "./schemas.ts";
import type { Services } from "./services.ts";

const BackupBody = Type.Object(
  { dir: Type.String({ minLength: 1, maxLength: 4000, pattern: "^[^\\u0000]*$" }) },
  { additionalProperties: false },
);

const BackupAnswer = Type.Object({
  dir: Type.String(),
  cutAt: Time,
  files: Type.Integer(),
  bytes: Type.Integer(),
});

const makeBackup = operation(
  { id: "makeBackup", summary: "Copy the data folder while it is in use", tag: "Gateway" },
  { body: BackupBody },
  { 201: BackupAnswer },
);

export function registerBackup(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  app.post("/admin/backup", makeBackup, async (request, reply) => {
    const { dir } = request.body;
    if (!isAbsolute(dir)) refuseBy("backup:dir", "body/dir", `Expected an absolute path in dir, got "${dir}"`);
    const { cutMs, ...made } = await orReject(backUp(services.settings().store, resolve(dir)));
    await services.audit.record({
      action: "backup.made",
      target: resolve(dir),
      account: null,
      before: null,
      after: null,
    });
    services.log.info({ event: "backup-made", ...made }, "A backup has been made");
    return reply.code(201).send({ ...made, cutAt: rfc3339(cutMs) });
  });
}

async function orReject(backup: Promise<BackupMade>): Promise<BackupMade> {
  try {
    return await backup;
  } catch (error) {
    if (!(error instanceof BackupFault)) throw error;
    return reject(error.kind === "place" ? "malformed_request" : "conflict", `backup:${error.kind}`, error.message);
  }
}
