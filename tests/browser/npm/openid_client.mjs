// openid-client, as npm has it. One line of JSON is one call; one line says what came of it. Nothing is remembered
// between calls. The package is used as its documentation says; nothing in it is changed or left out.
import { createInterface } from "node:readline";
import * as client from "openid-client";

const METHODS = {
  none: () => client.None(),
  client_secret_basic: (app) => client.ClientSecretBasic(app.secret),
  client_secret_post: (app) => client.ClientSecretPost(app.secret),
  client_secret_jwt: (app) => client.ClientSecretJwt(app.secret),
  private_key_jwt: async ({ key }) => client.PrivateKeyJwt({ key: await imported(key), kid: key.kid }),
};

function imported(jwk) {
  const algorithm =
    jwk.kty === "EC"
      ? { name: "ECDSA", namedCurve: jwk.crv }
      : { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  return crypto.subtle.importKey("jwk", jwk, algorithm, false, ["sign"]);
}

async function configuration(app) {
  const config = await client.discovery(
    new URL(app.issuer),
    app.client_id,
    app.metadata ?? {},
    await METHODS[app.method ?? "client_secret_basic"](app),
    { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] },
  );
  if (app.response_type === "code id_token") client.useCodeIdTokenResponseType(config);
  if (app.response_type === "id_token") client.useIdTokenResponseType(config);
  return config;
}

// What came to the redirect URI: an address, or a form that the browser posted.
const arrival = ({ url, form }) =>
  form === undefined
    ? new URL(url)
    : new Request(url, {
        method: "POST",
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: form,
      });

const withClaims = (tokens) => ({ ...tokens, claims: tokens.claims() ?? null });

const CALLS = {
  metadata: async (config) => config.serverMetadata(),

  async start(config, { parameters, response_type }) {
    const verifier = client.randomPKCECodeVerifier();
    const [state, nonce] = [client.randomState(), client.randomNonce()];
    const url = client.buildAuthorizationUrl(config, {
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      state,
      nonce,
      ...(response_type ? { response_type } : {}),
      ...parameters,
    });
    return { url: url.href, checks: { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce } };
  },

  finish: async (config, { arrived, checks }) =>
    withClaims(await client.authorizationCodeGrant(config, arrival(arrived), checks)),

  finish_implicit: (config, { arrived, checks }) =>
    client.implicitAuthentication(config, arrival(arrived), checks.expectedNonce, checks),

  refresh: async (config, { token, parameters }) =>
    withClaims(await client.refreshTokenGrant(config, token, parameters)),

  client_credentials: (config, { parameters }) => client.clientCredentialsGrant(config, parameters),
  grant: async (config, { grant_type, parameters }) =>
    withClaims(await client.genericGrantRequest(config, grant_type, parameters)),
  userinfo: (config, { token, subject }) => client.fetchUserInfo(config, token, subject),
  introspect: (config, { token, parameters }) => client.tokenIntrospection(config, token, parameters),
  revoke: async (config, { token, parameters }) =>
    (await client.tokenRevocation(config, token, parameters)) ?? null,
  device: (config, { parameters }) => client.initiateDeviceAuthorization(config, parameters),
  poll: async (config, { codes }) => withClaims(await client.pollDeviceAuthorizationGrant(config, codes)),
  end_session: async (config, { parameters }) => client.buildEndSessionUrl(config, parameters).href,
};

async function answered({ call, app, ...given }) {
  try {
    const config = await configuration({ ...app, response_type: given.response_type });
    return { answer: await CALLS[call](config, given) };
  } catch (error) {
    const { name, code, message, status, error: word, error_description } = error;
    const cause = error.cause instanceof Error ? error.cause.message : undefined;
    return { refused: { name, code, message, cause, status, error: word, error_description } };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answered(JSON.parse(line))));
}
