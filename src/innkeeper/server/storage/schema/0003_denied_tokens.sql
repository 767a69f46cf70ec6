-- Access tokens that were revoked before their time (RFC 7009): the row is needed until the token would have ended.
-- The key begins with that instant, as a handle does; for an opaque token it is the handle's own.
CREATE TABLE denied_tokens (
    token_key {bytes} NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
) {clustered};
