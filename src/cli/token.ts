/** `tollgate token`: a token of the gateway's own issuer, for trying out and for machines of your own. */
import { type Command, InvalidArgumentError } from "commander";
import { parseDuration } from "#core/units.ts";
import { CommandFault, type CommonOptions, print, settingsOf, withCommonOptions } from "./context.ts";

interface TokenOptions extends CommonOptions {
  readonly account: string;
  readonly user?: string;
  readonly role: readonly string[];
  readonly plan?: string;
  readonly expires?: number;
}

export function addToken(program: Command): void {
  withCommonOptions(program.command("token").description("Sign a token of the local issuer (preset: local)"))
    .requiredOption("--account <id>", "account the token acts for, by the id your own systems know")
    .option("--user <id>", "user; left out, the account")
    .option(
      "--role <role>",
      "role, may be repeated",
      (value: string, before: readonly string[]) => [...before, value],
      [],
    )
    .option("--plan <plan>", "plan claim")
    .option("--expires <duration>", "life of the token, 30m for example; left out, 1h", lifetime)
    .action(async (options: TokenOptions) => {
      const settings = await settingsOf(options);
      const issuer = settings.identity.issuers.find(({ jwks }) => jwks.kind === "local");
      if (issuer === undefined) throw new CommandFault("The configuration has no issuer with preset: local");
      if (options.role.length > 0 && issuer.claims.roles === null)
        throw new CommandFault(`Issuer ${issuer.name} maps no roles: set claims.roles`);
      const unknown = options.role.find((role) => !Object.hasOwn(settings.roles, role));
      if (unknown !== undefined)
        process.stderr.write(`Role ${unknown} is not in the configuration: it grants nothing\n`);
      const lifetimeMs = options.expires ?? 3_600_000;
      const wish = {
        account: options.account,
        user: options.user ?? null,
        roles: options.role,
        plan: options.plan ?? null,
        lifetimeMs,
      };
      const { LocalIssuer } = await import("#control-plane/issuers/local-issuer.ts");
      const token = await new LocalIssuer(settings.store.dataDir).sign(issuer, wish);
      print(options, { token, expiresInSeconds: Math.round(lifetimeMs / 1000) }, [token]);
    });
}

function lifetime(text: string): number {
  const ms = parseDuration(text);
  if (ms === null) throw new InvalidArgumentError("Expected a duration such as 30s, 5m or 1h.");
  return ms;
}
