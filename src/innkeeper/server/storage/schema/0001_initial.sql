-- The first schema. {bytes}, {clustered} and {hot} are filled in by the backend.
-- Every noun is a record (JSON in bytes) beside the few columns that conditions need. Times are epoch microseconds.
-- No index names a column that a hot transition changes. Only narrow rows, and those that are merely
-- appended, are {clustered}: wide rows inside the key's own tree leave six to a page and make look-ups climb high.

CREATE TABLE instance (
    id SMALLINT NOT NULL PRIMARY KEY,
    probed_at BIGINT NOT NULL,
    record {bytes}
);

INSERT INTO instance (id, probed_at, record) VALUES (1, 0, NULL);

CREATE TABLE registry_changes (
    epoch BIGINT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    id TEXT NOT NULL
) {clustered};

CREATE TABLE clients (
    client_id TEXT NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    is_enabled SMALLINT NOT NULL,
    record {bytes} NOT NULL
);

CREATE TABLE client_origins (
    origin TEXT NOT NULL,
    client_id TEXT NOT NULL,
    PRIMARY KEY (origin, client_id)
) {clustered};

-- A client that was deleted leaves its epoch: one that is created under its name again starts behind it,
-- so that nothing granted to the first comes alive for the second.
CREATE TABLE client_tombstones (
    client_id TEXT NOT NULL PRIMARY KEY,
    epoch BIGINT NOT NULL
) {clustered};

CREATE TABLE apis (
    identifier TEXT NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    record {bytes} NOT NULL
);

CREATE TABLE roles (
    name TEXT NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    record {bytes} NOT NULL
);

CREATE TABLE signing_keys (
    kid TEXT NOT NULL PRIMARY KEY,
    record {bytes} NOT NULL
);

CREATE TABLE users (
    user_id TEXT NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    is_enabled SMALLINT NOT NULL,
    record {bytes} NOT NULL
);

CREATE TABLE user_identifiers (
    identifier TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL
) {clustered};

CREATE INDEX user_identifiers_of_user ON user_identifiers (user_id);

CREATE TABLE passwords (
    user_id TEXT NOT NULL PRIMARY KEY,
    hash TEXT NOT NULL,
    record {bytes} NOT NULL
);

-- last_used_at and idle_expires_at are read from the columns, whatever the record says.
CREATE TABLE sessions (
    session_key {bytes} NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    last_used_at BIGINT NOT NULL,
    idle_expires_at BIGINT NOT NULL,
    absolute_expires_at BIGINT NOT NULL,
    started_by {bytes} NOT NULL,
    record {bytes} NOT NULL
) {hot};

CREATE INDEX sessions_of_user ON sessions (user_id, session_key);

-- api is empty for the OIDC scopes. A missing row counts as epoch 0.
CREATE TABLE consents (
    user_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    api TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    record {bytes} NOT NULL,
    PRIMARY KEY (user_id, client_id, api)
);

-- revoked_at is read from the column, whatever the record says.
CREATE TABLE grants (
    grant_id TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    api TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT,
    record {bytes} NOT NULL
) {hot};

CREATE INDEX grants_of_user ON grants (user_id, client_id, grant_id);

CREATE TABLE authorization_codes (
    code_key {bytes} NOT NULL PRIMARY KEY,
    grant_id TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    issued_by {bytes} NOT NULL,
    redeemed_at BIGINT,
    redeemed_by {bytes},
    burnt_at BIGINT,
    burnt_by {bytes},
    record {bytes} NOT NULL
) {hot};

CREATE TABLE access_tokens (
    token_key {bytes} NOT NULL PRIMARY KEY,
    grant_id TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    record {bytes} NOT NULL
) {clustered};

CREATE TABLE throttles (
    throttle_key {bytes} NOT NULL PRIMARY KEY,
    used BIGINT NOT NULL,
    window_ends_at BIGINT NOT NULL
) {clustered} {hot};

CREATE TABLE one_time_links (
    link_key {bytes} NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    used_by {bytes},
    record {bytes} NOT NULL
);

-- The key is the instant in eight bytes, then what makes it unique.
CREATE TABLE audit_events (
    event_key {bytes} NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    type TEXT NOT NULL,
    record {bytes} NOT NULL
) {clustered};
