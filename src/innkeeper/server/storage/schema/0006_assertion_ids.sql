-- JWTs with which apps proved themselves (RFC 7523 §3): a row for each until it would have ended, so that none is good
-- twice. The key is a digest of client and jti alone: with the end in front, one jti could come again with another end.
CREATE TABLE assertion_ids (
    digest {bytes} NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL,
    claimed_by {bytes} NOT NULL
) {clustered};

CREATE INDEX assertion_ids_by_end ON assertion_ids (expires_at);
