/** Route templates such as `/models/{id}` and `/files/**`, checked and taken apart. Pure. Not here: matching requests. */

export type TemplateSegment =
  | { readonly kind: "literal"; readonly text: string }
  | { readonly kind: "parameter"; readonly name: string }
  | { readonly kind: "rest" };

/** The segments, or in words what is wrong with the template. */
export type ParsedTemplate =
  | { readonly kind: "template"; readonly segments: readonly TemplateSegment[] }
  | { readonly kind: "fault"; readonly message: string; readonly hint: string | null };

const LITERAL = /^[A-Za-z0-9._~!$&'()+,;=:@-]+$/;
const PARAMETER = /^\{([A-Za-z_][A-Za-z0-9_]*)\}$/;

/** Takes a template apart. `/` alone has no segments; `**` stands last only. */
export function parseTemplate(template: string): ParsedTemplate {
  if (template === "/") return { kind: "template", segments: [] };
  const texts = template.split("/").slice(1);
  const segments: TemplateSegment[] = [];
  for (const [index, text] of texts.entries()) {
    const isLast = index === texts.length - 1;
    const problem = segmentProblem(text, isLast);
    if (problem !== null) return { kind: "fault", ...problem };
    segments.push(segmentOf(text));
  }
  const repeated = repeatedParameter(segments);
  if (repeated === null) return { kind: "template", segments };
  return { kind: "fault", message: `Expected each path parameter once, got {${repeated}} again`, hint: null };
}

/** What two templates have in common when they match the same paths: parameter names do not count. */
export function templateShape(segments: readonly TemplateSegment[]): string {
  const words = segments.map((segment) => {
    if (segment.kind === "literal") return segment.text;
    return segment.kind === "parameter" ? "{}" : "**";
  });
  return `/${words.join("/")}`;
}

interface Problem {
  readonly message: string;
  readonly hint: string | null;
}

function segmentProblem(text: string, isLast: boolean): Problem | null {
  const got = JSON.stringify(text.slice(0, 60));
  if (text === "")
    return {
      message: "Expected a path without empty segments",
      hint: isLast ? "remove the last /" : "remove the double /",
    };
  if (text === "." || text === "..") return { message: `Expected a path without dot segments, got ${got}`, hint: null };
  if (text === "**") return isLast ? null : { message: "Expected ** as the last segment only", hint: null };
  if (PARAMETER.test(text)) return null;
  if (/[{}]/.test(text))
    return { message: `Expected {name} as a whole segment, got ${got}`, hint: "a name has letters, digits and _" };
  if (text.includes("*"))
    return { message: `Expected no * inside a segment, got ${got}`, hint: "{name} is one segment, a last ** the rest" };
  if (text.includes("%"))
    return { message: `Expected no percent-encoding in a path, got ${got}`, hint: "write the character itself" };
  if (/[?#]/.test(text)) return { message: `Expected a path without query and fragment, got ${got}`, hint: null };
  if (LITERAL.test(text)) return null;
  return { message: `Expected only A-Z a-z 0-9 - . _ ~ ! $ & ' ( ) + , ; = : @ in a segment, got ${got}`, hint: null };
}

function segmentOf(text: string): TemplateSegment {
  if (text === "**") return { kind: "rest" };
  const name = PARAMETER.exec(text)?.[1];
  return name === undefined ? { kind: "literal", text } : { kind: "parameter", name };
}

function repeatedParameter(segments: readonly TemplateSegment[]): string | null {
  const names = segments.flatMap((segment) => (segment.kind === "parameter" ? [segment.name] : []));
  return names.find((name, index) => names.indexOf(name) !== index) ?? null;
}
