/** One operation on the page: who may call it, inputs, answers, errors and a line to copy. Main thread, pure. */
import { ERROR_CODES } from "#core/errors.ts";
import type { ApiContent, ApiDocument, ApiOperation, ApiResponse } from "./document.ts";
import { html, type Html } from "./html.ts";
import { boundsOf, isSchema, sampleOf, shapeOf } from "./schema-text.ts";

export interface ShownOperation {
  /** Upper case. */
  readonly method: string;
  readonly path: string;
  readonly operation: ApiOperation;
}

export function operationSection(shown: ShownOperation, document: ApiDocument): Html {
  const { method, path, operation } = shown;
  const { operationId: id, summary, description, parameters = [], requestBody, responses } = operation;
  const base = document.servers[0]?.url ?? "";
  return html`<section>
<h3 id="${id}">${summary}</h3>
<p class="target">${method} ${base === "/" ? "" : base}${path}</p>
<p class="dim">${callersOf(operation)} ${description ?? null}</p>
${parameters.length === 0 ? null : parameterTable(parameters)}
${requestBody === undefined ? null : bodyPart(requestBody)}
${Object.entries(responses).map(([status, response]) => answerPart(status, response))}
<h4>Errors</h4>
<p>${errorLinks(responses)}</p>
<h4>Try it</h4>
<pre class="copy"><code>${curlLine(shown, document)}</code></pre>
</section>
`;
}

function callersOf({ security }: ApiOperation): string {
  if (security.length === 0) return "No credentials.";
  return security.some((scheme) => "adminToken" in scheme) ? "The admin token." : "With credentials.";
}

function parameterTable(parameters: NonNullable<ApiOperation["parameters"]>): Html {
  const row = ({ name, in: place, required, description, schema }: (typeof parameters)[number]) =>
    html`<tr><td><code>${name}</code></td><td>${place}${required ? "" : ", optional"}</td>
<td><code>${shapeOf(schema)}</code></td><td>${[description, boundsOf(schema)].filter(Boolean).join(", ")}</td></tr>
`;
  return html`<h4>Parameters</h4>
<table><thead><tr><th>name</th><th>in</th><th>type</th><th></th></tr></thead>
<tbody>${parameters.map(row)}</tbody></table>
`;
}

function bodyPart({ required, content }: NonNullable<ApiOperation["requestBody"]>): Html {
  return html`<h4>Body${required ? "" : ", optional"}</h4>
${contentParts(content)}
${Object.values(content)
  .slice(0, 1)
  .map(({ schema }) => memberTable(schema.properties))}`;
}

/** What members of a body are bound to, where it is more than their type. */
function memberTable(properties: unknown): Html | null {
  if (!isSchema(properties)) return null;
  const bound = Object.entries(properties).flatMap(([name, member]) => {
    const words = isSchema(member) ? boundsOf(member) : "";
    return words === "" ? [] : [html`<tr><td><code>${name}</code></td><td>${words}</td></tr>\n`];
  });
  return bound.length === 0 ? null : html`<table><tbody>${bound}</tbody></table>`;
}

function contentParts(content: ApiContent): readonly Html[] {
  return Object.entries(content).map(
    ([type, { schema }]) => html`<p class="dim">${type}</p><pre><code>${shapeOf(schema)}</code></pre>\n`,
  );
}

function answerPart(status: string, response: ApiResponse): Html | null {
  if (errorCodes(response).length > 0) return null;
  return html`<h4>${status} ${response.description}</h4>\n${contentParts(response.content ?? {})}`;
}

function errorLinks(responses: ApiOperation["responses"]): readonly Html[] {
  return Object.entries(responses)
    .filter(([, response]) => errorCodes(response).length > 0)
    .map(([status, response]) => {
      const links = errorCodes(response).map((code) => html` <a href="#error-${code}"><code>${code}</code></a>`);
      return html`${status}:${links}<br>\n`;
    });
}

/** Of a response that is an error; empty for others. */
function errorCodes({ content = {} }: ApiResponse): readonly string[] {
  const text = JSON.stringify(Object.values(content).map(({ schema }) => schema.allOf ?? null));
  return ERROR_CODES.filter((code) => text.includes(`"${code}"`));
}

/** For a shell where `TOLLGATE` and `TOKEN` are set. */
function curlLine({ method, path, operation }: ShownOperation, { servers, components }: ApiDocument): string {
  const base = servers[0]?.url ?? "";
  const target = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => name.toUpperCase());
  const [body] = Object.entries(operation.requestBody?.content ?? {});
  return [
    "curl",
    ...(method === "GET" ? [] : [`-X ${method}`]),
    `"$TOLLGATE${base === "/" ? "" : base}${target}"`,
    ...(operation.security.length === 0 ? [] : ['-H "Authorization: Bearer $TOKEN"']),
    ...(body === undefined
      ? []
      : [`-H 'Content-Type: ${body[0]}'`, `-d ${quoted(sampleOf(body[1].schema, components.schemas))}`]),
  ].join(" ");
}

function quoted(sample: unknown): string {
  return `'${JSON.stringify(sample).replaceAll("'", String.raw`'\''`)}'`;
}
