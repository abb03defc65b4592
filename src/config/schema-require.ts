/** The shape of `gateway.yaml`: what routes ask of their callers. See `schema.ts`. Pure. */
import Type from "typebox";
import { OWN_PATTERN, PLACE_PATTERN } from "./request-place.ts";
import { names, strict } from "./schema-parts.ts";

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
          "Lets in callers who have the permissions only with `:own` (`calls:read:own`), for what is theirs: `path.NAME` must be the user; `query.NAME` is set to the user on the way to the app; `header` tells the app `x-tollgate-data-scope: own` (`all` for those with the whole permission), and the app has to heed it.",
      }),
    ),
  },
  { ...strict, description: "What the caller must have." },
);
