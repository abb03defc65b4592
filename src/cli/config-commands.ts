/** `tollgate check`, `routes` and `schema`: commands that only read gateway.yaml. */
import type { Command } from "commander";
import type { RouteSettings } from "#config/settings.ts";
import { type CommonOptions, print, settingsOf, table, withCommonOptions, write } from "./context.ts";

export function addConfigCommands(program: Command): void {
  withCommonOptions(
    program.command("check").description("Check a configuration file; every fault at once, with line and column"),
  ).action(async (options: CommonOptions) => {
    const settings = await settingsOf(options);
    const counts = {
      routes: settings.routes.length,
      upstreams: Object.keys(settings.upstreams).length,
      plans: Object.keys(settings.plans).length,
    };
    print(options, { ok: true, file: settings.file, ...counts }, [
      `${options.config} is good: ${counts.routes} routes, ${counts.upstreams} upstreams, ${counts.plans} plans`,
    ]);
  });
  withCommonOptions(program.command("routes").description("List the routes, what they need and where they go")).action(
    async (options: CommonOptions) => {
      const { routes } = await settingsOf(options);
      const rows = routes.map((route) => [
        route.name,
        route.match.methods?.join(",") ?? "any",
        (route.match.host ?? "") + route.match.path,
        needs(route),
        route.upstream,
      ]);
      print(
        options,
        { data: routes, nextCursor: null },
        table([["NAME", "METHODS", "MATCH", "NEEDS", "UPSTREAM"], ...rows]),
      );
    },
  );
  program
    .command("schema")
    .description("Print the JSON Schema of gateway.yaml")
    .option("--docs", "print the page docs/configuration.md instead")
    .option("--json", "JSON, which the schema is anyway")
    .action(async ({ docs = false }: { docs?: boolean }) => {
      write(docs ? await page() : await schema());
    });
}

async function page(): Promise<string> {
  return (await import("#config/document.ts")).configurationPage();
}

async function schema(): Promise<string> {
  return (await import("#config/json-schema.ts")).gatewayJsonSchema();
}

function needs(route: RouteSettings): string {
  const { roles, permissions, scopes, features } = route.require;
  return [route.auth, ...roles, ...permissions, ...scopes, ...features].join(" ");
}
