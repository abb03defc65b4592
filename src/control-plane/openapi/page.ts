/**
 * The page at `/docs`: the OpenAPI document, the plans and rates of the file and the error codes, as one HTML text without scripts or
 * anything from elsewhere. Main thread, pure.
 */
import { createHash } from "node:crypto";
import type { PlanSettings, QuotaSettings, RateSettings, Settings } from "#config/settings.ts";
import { ERRORS } from "#core/errors.ts";
import { formatDuration } from "#core/units.ts";
import type { ApiDocument } from "./document.ts";
import { html, Html } from "./html.ts";
import { operationSection, type ShownOperation } from "./page-operation.ts";
import { STYLE } from "./page-style.ts";
import { shapeOf } from "./schema-text.ts";

const STYLE_HASH = createHash("sha256").update(STYLE).digest("base64");

/** Goes with the page: nothing but its own style and an empty icon (browsers would ask an app for one), and nobody may frame it. */
export const PAGE_POLICY = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/** `documentUrl` is where the document is, as seen from the page. */
export function docsPage(document: ApiDocument, settings: Settings, documentUrl: string): string {
  const { info, tags, components } = document;
  const shown = operationsOf(document);
  const groups = tags.map(({ name }) => ({ name, all: shown.filter(({ operation }) => operation.tags[0] === name) }));
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${info.title}</title>
<style>${raw(STYLE)}</style>
</head>
<body>
<nav aria-label="Contents">
${groups.map(({ name, all }) => navigation(name, all))}
<strong>More</strong>
<ul>${MORE.map(([id, words]) => html`<li><a href="#${id}">${words}</a></li>`)}</ul>
</nav>
<main>
<h1>${info.title}</h1>
<p>${info.description}</p>
<p>Version ${info.version}. The same for programs: <a href="${documentUrl}">OpenAPI 3.1</a>.</p>
<p>Lines to try are for a shell that knows the address and your token or key:</p>
<pre class="copy"><code>export TOLLGATE=https://… TOKEN=…</code></pre>
${groups.map(({ name, all }) => html`<h2>${name}</h2>\n${all.map((one) => operationSection(one, document))}`)}
${plansPart(settings)}
${errorsPart()}
<h2 id="types">Types</h2>
${Object.entries(components.schemas).map(
  ([name, schema]) => html`<h3 id="type-${name}">${name}</h3>\n<pre><code>${shapeOf(schema)}</code></pre>\n`,
)}
</main>
</body>
</html>
`.text;
}

const MORE = [
  ["plans", "Plans and limits"],
  ["errors", "Error codes"],
  ["types", "Types"],
] as const;

function raw(text: string): Html {
  return new Html(text);
}

function operationsOf({ paths }: ApiDocument): readonly ShownOperation[] {
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
}

function navigation(name: string, all: readonly ShownOperation[]): Html {
  const line = ({ operation }: ShownOperation) =>
    html`<li><a href="#${operation.operationId}">${operation.summary}</a></li>\n`;
  return html`<strong>${name}</strong>\n<ul>${all.map(line)}</ul>\n`;
}

function plansPart({ plans, rates }: Settings): Html {
  return html`<h2 id="plans">Plans and limits</h2>
<table><thead><tr><th>plan</th><th>price</th><th>quotas</th><th>credits</th><th>features</th></tr></thead>
<tbody>${Object.values(plans).map(planRow)}</tbody></table>
<h3>Rates</h3>
<table><thead><tr><th>rate</th><th>requests</th><th>counted by</th><th>plans with others</th></tr></thead>
<tbody>${Object.values(rates).map((rate) => rateRow(rate, Object.values(plans)))}</tbody></table>
`;
}

function planRow({ name, id, default: isDefault, price, quotas, credits, features }: PlanSettings): Html {
  const all = Object.values(quotas).flat();
  return html`<tr><td>${name} <code>${id}</code>${isDefault ? " (default)" : ""}</td>
<td>${price === null ? "" : priceWords(price)}</td>
<td>${all.map((quota) => html`${quotaWords(quota)}<br>`)}</td>
<td>${credits === null ? "" : `${credits.amount} each ${credits.window.kind}`}</td>
<td>${features.join(", ")}</td></tr>
`;
}

/** In minor units, as the file has them. */
function priceWords({ monthly, yearly, currency }: NonNullable<PlanSettings["price"]>): string {
  const one = (amount: number | null, per: string) => (amount === null ? [] : [`${amount} ${currency} a ${per}`]);
  return [...one(monthly, "month"), ...one(yearly, "year")].join(", ");
}

function quotaWords({ meter, limit, by, window, exceed }: QuotaSettings): string {
  const who = by === "account" ? "" : ` for each ${by}`;
  if (limit === null) return `${meter}: unlimited`;
  return `${meter}: ${limit} per ${window.kind}${who}, beyond it: ${exceed}`;
}

function rateRow({ name, limit, perMs, burst, by }: RateSettings, plans: readonly PlanSettings[]): Html {
  const others = plans.flatMap(({ id, rates }) => {
    const own = rates[name];
    return own === undefined ? [] : [`${id}: ${own.limit} in ${formatDuration(own.perMs)}`];
  });
  return html`<tr><td><code>${name}</code></td><td>${limit} in ${formatDuration(perMs)}, ${burst} at once</td>
<td>${by.join(", ")}</td><td>${others.join(", ")}</td></tr>
`;
}

function errorsPart(): Html {
  const rows = Object.entries(ERRORS).map(
    ([code, { status, title, owner, retry }]) =>
      html`<tr id="error-${code}"><td><code>${code}</code></td><td>${status}</td><td>${title}</td><td>${owner}</td>
<td>${retry}</td></tr>\n`,
  );
  return html`<h2 id="errors">Error codes</h2>
<p>In the member <code>error</code> of the body; <code>rule</code> says which rule refused.</p>
<table><thead><tr><th>code</th><th>status</th><th>meaning</th><th>who acts</th><th>retry</th></tr></thead>
<tbody>${rows}</tbody></table>
`;
}
