/** Whatever is put into a page is text in it, never markup. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { html, Html } from "#control-plane/openapi/html.ts";

test("text is escaped, HTML of a template is not, lists stand in turn and null is nothing", () => {
  const inner = html`<b title="${"\"x\" & 'y'"}">${"<script>"}</b>`;
  expect(html`<p>${inner}${["a", 1, null]}</p>`.text).toBe(
    '<p><b title="&quot;x&quot; &amp; &#39;y&#39;">&lt;script&gt;</b>a1</p>',
  );
});

test("no text ends the element or the attribute it is in", () => {
  const undone = (text: string) =>
    text
      .replaceAll("&lt;", "<")
      .replaceAll("&gt;", ">")
      .replaceAll("&quot;", '"')
      .replaceAll("&#39;", "'")
      .replaceAll("&amp;", "&");
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom("<", ">", "&", '"', "'", "lt;", "a", "é") }), (text) => {
      const { text: written } = html`${text}`;
      expect(written).not.toMatch(/[<>"']/);
      expect(undone(written)).toBe(text);
      expect(html`${new Html(written)}`.text).toBe(written);
    }),
  );
});
