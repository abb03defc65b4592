/** The app alone: what nobody in front of it can undercut. */
import { startApp } from "#bench/app/start.ts";
import { SERVER_CORE } from "#bench/parts/pin.ts";
import { versionOf } from "#bench/parts/child.ts";
import { type Contender, CLIENT_HEADERS, PATH } from "./contender.ts";

const nginx = versionOf("nginx", "-v");

export const APP: Contender = {
  name: nginx === null ? "app (node:http)" : "app (nginx)",
  task: "app",
  own: false,
  version: () => nginx ?? process.versions.node,
  async start(stage) {
    const app = await startApp(SERVER_CORE, `${stage.dir}/alone`);
    return {
      ...app,
      url: app.url + PATH,
      headers: CLIENT_HEADERS,
      [Symbol.asyncDispose]: () => app[Symbol.asyncDispose](),
    };
  },
};
