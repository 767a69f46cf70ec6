// Runs node-oidc-provider for the bench: node server.mjs '{"port":…,"secret":"…","api":"…","scope":"…"}'
//
// Prints {"ready":true} once the socket listens. Then it reads one JSON object per line on stdin:
//   {"mint": 1000, "client_id": "…"}  ->  {"codes": ["…"], "code_verifier": "…", "redirect_uri": "…"}
// and ends when stdin closes. Minting is not measured; everything an exchange does later is the provider's own code.

import { createRequire } from 'node:module';
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

import { MapAdapter } from './map_adapter.mjs';

const { port, secret, api, opaque_api, scope, modules } = JSON.parse(process.argv[2]);
const { Provider } = await import(pathToFileURL(createRequire(modules).resolve('oidc-provider')));

const REDIRECT_URI = 'http://localhost:9999/callback';
const CODE_CLIENTS = {
  'bench-code-es256': 'ES256',
  'bench-code-rs256': 'RS256',
  'bench-rotation': 'ES256',
  'bench-introspection': 'ES256',
};

function signingKey(kind, options, alg) {
  const { privateKey } = generateKeyPairSync(kind, options);
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg, kid: `bench-${alg}` };
}

function codeClient([client_id, id_token_signed_response_alg]) {
  return {
    client_id,
    client_secret: secret,
    id_token_signed_response_alg,
    redirect_uris: [REDIRECT_URI],
    grant_types: ['authorization_code', ...(client_id === 'bench-rotation' ? ['refresh_token'] : [])],
    response_types: ['code'],
    token_endpoint_auth_method: 'client_secret_basic',
  };
}

const provider = new Provider(`http://localhost:${port}`, {
  adapter: MapAdapter,
  clients: [
    {
      client_id: 'bench-cron',
      client_secret: secret,
      id_token_signed_response_alg: 'ES256',
      redirect_uris: [],
      response_types: [],
      grant_types: ['client_credentials'],
      token_endpoint_auth_method: 'client_secret_basic',
    },
    ...Object.entries(CODE_CLIENTS).map(codeClient),
  ],
  jwks: {
    keys: [
      signingKey('ec', { namedCurve: 'P-256' }, 'ES256'),
      signingKey('rsa', { modulusLength: 2048 }, 'RS256'),
    ],
  },
  cookies: { keys: [randomBytes(32).toString('base64url')] },
  enabledJWA: { idTokenSigningAlgValues: ['ES256', 'RS256'] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    // As by default, but without its notice on standard output.
    introspection: {
      enabled: true,
      allowedPolicy: (ctx, client, token) => client.clientAuthMethod !== 'none' || token.clientId === client.clientId,
    },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => api,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, resource) => ({
        scope,
        audience: resource,
        accessTokenTTL: 600,
        ...(resource === opaque_api
          ? { accessTokenFormat: 'opaque' }
          : { accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } }),
      }),
    },
  },
  pkce: { required: () => true },
  issueRefreshToken: (ctx, client, code) =>
    client.grantTypeAllowed('refresh_token') && code.scopes.has('offline_access'),
  // Its own default rotates a confidential client's token only when most of its time is over.
  rotateRefreshToken: () => true,
  findAccount: (ctx, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
  ttl: { AccessToken: 600, AuthorizationCode: 600, ClientCredentials: 600, Grant: 86400, IdToken: 600, RefreshToken: 86400 },
});

async function mintCode(client, codeChallenge) {
  const accountId = randomBytes(12).toString('base64url');
  const grant = new provider.Grant({ accountId, clientId: client.clientId });
  const isOffline = client.grantTypeAllowed('refresh_token');
  const oidcScope = isOffline ? 'openid offline_access' : 'openid';
  const resource = client.clientId === 'bench-introspection' ? opaque_api : api;
  grant.addOIDCScope(oidcScope);
  grant.addResourceScope(resource, scope);
  const grantId = await grant.save();
  // What a sign-in leaves behind: by default a code without offline_access ends with its session, so both look.
  const sid = randomBytes(16).toString('base64url');
  const authTime = Math.floor(Date.now() / 1000);
  const session = new provider.Session({ accountId, loginTs: authTime });
  session.authorizations = { [client.clientId]: { sid, grantId } };
  await session.save(86400);
  const code = new provider.AuthorizationCode({
    accountId,
    authTime,
    client,
    codeChallenge,
    codeChallengeMethod: 'S256',
    expiresWithSession: !isOffline,
    grantId,
    nonce: randomBytes(16).toString('base64url'),
    redirectUri: REDIRECT_URI,
    resource,
    scope: `${oidcScope} ${scope}`,
    sessionUid: session.uid,
    sid,
  });
  return code.save();
}

async function mint({ mint: count, client_id }) {
  const client = await provider.Client.find(client_id);
  const code_verifier = randomBytes(32).toString('base64url');
  const codeChallenge = createHash('sha256').update(code_verifier).digest('base64url');
  const codes = [];
  while (codes.length < count) codes.push(await mintCode(client, codeChallenge));
  return { codes, code_verifier, redirect_uri: REDIRECT_URI };
}

function answer(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

provider.on('server_error', (ctx, error) => console.error(error));
provider.listen(port, '127.0.0.1', () => answer({ ready: true }));

for await (const line of createInterface({ input: process.stdin })) answer(await mint(JSON.parse(line)));
process.exit(0);
