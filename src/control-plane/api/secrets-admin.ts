/** `/admin/secrets`: the keys that secrets of the store are sealed with. Main thread. Shows ids, never keys. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import Type from "typebox";
import { operation } from "./operation.ts";
import type { Services } from "./services.ts";

const Key = Type.Object({
  id: Type.String(),
  seals: Type.Boolean(),
  present: Type.Boolean(),
  values: Type.Integer(),
});

const listSecrets = operation(
  { id: "listSealingKeys", summary: "List the keys that secrets are sealed with, and how many each seals", tag: "Secrets" },
  {},
  { 200: Type.Object({ source: Type.Enum(["config", "file"]), data: Type.Array(Key) }) },
); // biome-ignore format: the note on one line
const rotateSecrets = operation(
  { id: "rotateSealingKeys", summary: "Seal every secret anew with another key", tag: "Secrets" },
  {},
  {
    200: Type.Object({
      sealing: Type.String(),
      resealed: Type.Integer(),
      unreadable: Type.Integer(),
      dropped: Type.Array(Type.String()),
    }),
  },
);

export function registerSecrets(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  const { secrets } = services;
  app.get("/admin/secrets", listSecrets, async () => ({ source: secrets.source, data: await secrets.list() }));
  app.post("/admin/secrets/rotate", rotateSecrets, async () => secrets.rotate());
}
