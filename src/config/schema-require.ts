/** The shape of `gateway.yaml`: what routes ask of their callers, and things whose owners are learned. See `schema.ts`. Pure. */
import Type from "typebox";
import { OWN_PATTERN, PLACE_PATTERN } from "./request-place.ts";
import { name, names, oneOf, strict } from "./schema-parts.ts";

export const Require = Type.Object(
  {
    roles: Type.Optional(names("One of these roles.")),
    permissions: Type.Optional(names("All of these permissions.")),
    scopes: Type.Optional(names("All of these scopes.")),
    features: Type.Optional(names("All of these plan features.")),
    account: Type.Optional(
      Type.String({
        pattern: PLACE_PATTERN,
        description:
          "`path.NAME`, `query.NAME` or `header.NAME`: what stands there must be the caller's account, by the id that apps get in `x-tollgate-account`. A query parameter or header has to be there, once.",
      }),
    ),
    owner: Type.Optional(
      Type.String({
        pattern: PLACE_PATTERN,
        description:
          "`path.NAME`, `query.NAME` or `header.NAME`: what stands there must be the caller's user. Keys have no user.",
      }),
    ),
    own: Type.Optional(
      Type.String({
        pattern: OWN_PATTERN,
        description:
          "Lets in callers who have the permissions only with `:own` (`calls:read:own`), for what is theirs: `path.NAME` must be the user; `query.NAME` is set to the user on the way to the app; `header` tells the app `x-tollgate-data-scope: own` (`all` for those with the whole permission), and the app has to heed it; `resource`: the thing of `resource` must be the user's.",
      }),
    ),
    resource: Type.Optional(
      Type.Object(
        {
          kind: name("One of `resources`."),
          id: Type.String({
            pattern: PLACE_PATTERN,
            description: "`path.NAME`, `query.NAME` or `header.NAME`: its id.",
          }),
        },
        {
          ...strict,
          description:
            "The thing that must be the account's, or shared with it; else the answer is 404, as if it were not there.",
        },
      ),
    ),
  },
  { ...strict, description: "What the caller must have." },
);

export const Resource = Type.Object(
  {
    id: Type.Optional(
      Type.String({
        pattern: "^response\\.json:.+$",
        description:
          "`response.json:PATH`: where the answer 201 of a route that `learns` it has the id, a text or a whole number.",
        default: "response.json:id",
      }),
    ),
    unknown: Type.Optional(
      oneOf(
        ["allow", "deny"],
        "What becomes of requests for things that nobody is known to own, those from before the gateway say: passed on to the app, or 404.",
        "allow",
      ),
    ),
  },
  strict,
);
