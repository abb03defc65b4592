/** What tokens of the well-known issuers say, by their documentation of November 2026; names and ids are made up. Times are added by whoever signs. */

type Claims = Readonly<Record<string, unknown>>;

export const CLERK_ISSUER = "https://clerk.example.com";
export const AUTH0_ISSUER = "https://tenant.eu.auth0.com/";
export const COGNITO_ISSUER = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI";
export const DYNAMIC_ISSUER = "app.dynamic.xyz/0b8a3c1e-2f4d-4e6b-9a7c-1d2e3f405162";

/** Session token of version 2, with an active organisation. */
export const CLERK_V2: Claims = {
  iss: CLERK_ISSUER,
  azp: "https://app.example.com",
  sub: "user_2abc",
  sid: "sess_2xyz",
  sts: "active",
  v: 2,
  fva: [7, -1],
  pla: "o:pro",
  fea: "o:dashboard,u:invoices,o:teams",
  o: { id: "org_2def", slg: "acme", rol: "admin", per: "manage,read", fpm: "3,2" },
};

/** The same without an active organisation. */
export const CLERK_V2_ALONE: Claims = { ...CLERK_V2, pla: "u:free", o: undefined, fea: "u:invoices" };

/** Version 1, deprecated in April 2025. */
export const CLERK_V1: Claims = {
  iss: CLERK_ISSUER,
  azp: "https://app.example.com",
  sub: "user_2abc",
  sid: "sess_2xyz",
  org_id: "org_2def",
  org_slug: "acme",
  org_role: "org:admin",
  org_permissions: ["org:dashboard:read", "org:teams:read"],
};

/** Access token of an API with RBAC, Auth0 profile; roles by an action, under a name with dots and slashes. */
export const AUTH0: Claims = {
  iss: AUTH0_ISSUER,
  sub: "auth0|65f1",
  aud: ["https://api.example.com", "https://tenant.eu.auth0.com/userinfo"],
  azp: "webClientId",
  scope: "openid profile read:models",
  org_id: "org_9",
  permissions: ["models:read"],
  "https://app.example.com/roles": ["Editor"],
};

/** The same in the profile of RFC 9068. */
export const AUTH0_RFC9068: Claims = { ...AUTH0, azp: undefined, client_id: "webClientId", jti: "j1" };

export const COGNITO_ACCESS: Claims = {
  iss: COGNITO_ISSUER,
  sub: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
  client_id: "4clientid",
  "cognito:groups": ["Editor"],
  scope: "aws.cognito.signin.user.admin",
  token_use: "access",
  username: "u1",
  event_id: "e1",
  origin_jti: "o1",
  jti: "j1",
  version: 2,
};

export const COGNITO_ID: Claims = {
  iss: COGNITO_ISSUER,
  sub: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
  aud: "4clientid",
  "cognito:groups": ["Editor"],
  "cognito:username": "u1",
  "custom:tenant": "acme",
  token_use: "id",
  email: "u1@example.com",
};

export const DYNAMIC: Claims = {
  iss: DYNAMIC_ISSUER,
  sub: "3f1c",
  aud: "https://app.example.com",
  sid: "s1",
  environment_id: "0b8a3c1e-2f4d-4e6b-9a7c-1d2e3f405162",
  lists: [],
  verified_credentials: [{ format: "blockchain", address: "0x1", chain: "eip155" }],
  scope: "user:basic",
};
