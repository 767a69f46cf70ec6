-- Opaque access tokens for APIs: each knows its client, and one of a client that acts for itself has no grant
-- (grant_id is empty). Those that are out live for minutes and say too little to be carried over.
DROP TABLE access_tokens;

CREATE TABLE access_tokens (
    token_key {bytes} NOT NULL PRIMARY KEY,
    grant_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    record {bytes} NOT NULL
) {clustered};

-- Tokens of the client itself that were issued before are dead. Read from the column, whatever the record says.
ALTER TABLE clients ADD COLUMN tokens_not_before BIGINT;
