/** Schemas with a `title`, each written down once and referred to from everywhere else. Main thread; one for each document. */
import type { TSchema } from "typebox";

/** JSON Schema 2020-12 as plain data. */
export type Schema = Readonly<Record<string, unknown>>;

export class NamedSchemas {
  readonly #schemas: Map<string, { readonly of: unknown; readonly schema: Schema }>;

  constructor(first: Readonly<Record<string, Schema>>) {
    this.#schemas = new Map(Object.entries(first).map(([name, schema]) => [name, { of: schema, schema }]));
  }

  /** The schema as it goes into the document. Throws when another one has its title already. */
  refer(schema: TSchema): Schema {
    // Objects go to objects.
    return this.#plain(schema) as Schema;
  }

  /** In order of their names. */
  all(): Readonly<Record<string, Schema>> {
    const entries = [...this.#schemas].map(([name, { schema }]) => [name, schema] as const);
    return Object.fromEntries(entries.sort(([one], [other]) => (one < other ? -1 : 1)));
  }

  #plain(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((item) => this.#plain(item));
    if (typeof value !== "object" || value === null) return value;
    if (!("title" in value) || typeof value.title !== "string") return this.#members(value);
    const name = value.title;
    const known = this.#schemas.get(name);
    if (known === undefined) {
      const { title: _, ...schema } = this.#members(value);
      this.#schemas.set(name, { of: value, schema });
    } else if (known.of !== value) {
      throw new Error(`Two schemas have the title ${name}`);
    }
    return { $ref: `#/components/schemas/${name}` };
  }

  #members(value: object): Schema {
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, this.#plain(member)]));
  }
}
