// express-gateway with its `proxy` policy alone: `node express-gateway.mjs PORT UPSTREAM bare DIR`.
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [port, target, , dir] = process.argv.slice(2);
const config = join(dir, "express-gateway");
mkdirSync(join(config, "models"), { recursive: true });
writeFileSync(
  join(config, "gateway.config.yml"),
  `http: { port: ${port}, hostname: 127.0.0.1 }
apiEndpoints: { api: { host: "*", paths: "/*" } }
serviceEndpoints: { app: { url: "${target}" } }
policies: [proxy]
pipelines:
  default:
    apiEndpoints: [api]
    policies:
      - proxy: [{ action: { serviceEndpoint: app, changeOrigin: true, proxyTimeout: 6000, timeout: 6000 } }]
`,
);
writeFileSync(
  join(config, "system.config.yml"),
  "db: { redis: { emulate: true, namespace: EG } }\ncrypto: { cipherKey: sensitiveKey }\nsession: { secret: keyboard cat }\naccessTokens: { timeToExpiry: 7200000 }\nrefreshTokens: { timeToExpiry: 7200000 }\nauthorizationCodes: { timeToExpiry: 300000 }\n",
);
for (const name of ["users", "credentials", "applications"])
  writeFileSync(
    join(config, "models", `${name}.json`),
    JSON.stringify({ $id: `http://express-gateway.io/models/${name}.json`, type: "object", properties: {} }),
  );
process.env.LOG_LEVEL = "error";
const require = createRequire(import.meta.url);
await require("express-gateway")().load(config).run();
