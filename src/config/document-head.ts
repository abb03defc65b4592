/** The hand-written head of `docs/configuration.md`. The test loads its example for real. */

export const DOCUMENT_HEAD = `# Configuration

Everything about a gateway stands in one file, \`gateway.yaml\`, next to which its paths are resolved.
\`npm run -s tollgate -- check -c gateway.yaml\` reads it and prints every fault at once, each as
\`file:line:column: what is wrong (what helps)\`.

## Example

\`\`\`yaml
# yaml-language-server: $schema=./config/gateway.schema.json
version: 1
server:
  listen: 127.0.0.1:\${PORT:-8080}
  admin: 127.0.0.1:8081
identity:
  issuers:
    - name: main
      issuer: https://issuer.example
      jwks: https://issuer.example/.well-known/jwks.json
      audiences: [api]
      claims: { account: project, roles: role }
roles:
  Admin: ["*"]
  User: ["models:invoke"]
rates:
  api: { limit: 60, per: 1m }
meters:
  api_calls: { description: Calls of the API }
plans:
  free: { default: true, quotas: { api_calls: { limit: 100, per: month } } }
  pro:
    name: Pro
    price: { monthly: 2900, yearly: 29000, currency: usd }
    quotas: { api_calls: { limit: 10000, per: month } }
    rates: { api: { limit: 600 } }
    features: [custom_models]
upstreams:
  app:
    targets: [http://127.0.0.1:9000]
routes:
  - name: models
    match: { path: "/models/{id}", methods: [GET, POST] }
    upstream: app
    require: { permissions: [models:invoke] }
    rates: [api]
    meters: { api_calls: 1 }
\`\`\`

## References

Inside any value, never in a key:

| written         | becomes                                                                                                |
| --------------- | ------------------------------------------------------------------------------------------------------ |
| \`\${NAME}\`       | the environment variable; a fault when it is not set                                                   |
| \`\${NAME:-text}\` | the variable, or \`text\` when it is not set or empty                                                    |
| \`\${file:PATH}\`  | the text of a file (at most 64 KiB, relative to \`gateway.yaml\`) without its last line end: for secrets |
| \`$\${\`           | a literal \`\${\`                                                                                         |

A value that is one unquoted variable (\`limit: \${LIMIT:-60}\`) becomes a whole number, \`true\`, \`false\` or \`null\` when it reads
exactly so, else text. Quoted values and files are always text. Inside \`{ }\` and \`[ ]\` YAML wants quotes around a reference;
put a number on a line of its own. A reference stands for one value: it cannot add keys or items, whatever it holds.
Faults show the reference, not what it stands for.

## Durations and sizes

A duration is a whole number with a unit: \`ms\`, \`s\`, \`m\`, \`h\` or \`d\`, such as \`30s\`. Timeouts go up to \`1d\`, the periods of rates to \`366d\`.
A size is a whole number of bytes, or one with a unit: \`B\`, \`KiB\`, \`MiB\` or \`GiB\`, such as \`16KiB\`.

## Reload

The file is read again when it changes and on \`SIGHUP\`. A good file takes over for all requests that start after that; a bad one
is refused with its faults in the log, and the old one goes on. \`server.listen\`, \`server.admin\`, \`server.workers\` and \`store\` take
effect at the next start only. Counters of quotas survive both; rates start full after a restart.

## Keys

\`<name>\` stands for a name of your choice: letters, digits, \`_\`, \`.\` and \`-\`, a letter first, at most 64 characters.
\`[]\` stands for each item of a list. An unknown key is a fault.
This part is made from the schema: \`npm run -s tollgate -- schema --docs > docs/configuration.md\` writes this page anew,
\`npm run -s tollgate -- schema > config/gateway.schema.json\` the schema for editors.
`;
