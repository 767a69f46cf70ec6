-- Issuers of others whose statements about people are believed (RFC 7523 §2.1), by their `iss`. The directory whose
-- people one speaks of cannot be deleted while it does.
CREATE TABLE trusted_issuers (
    issuer TEXT NOT NULL PRIMARY KEY,
    directory TEXT NOT NULL,
    revision BIGINT NOT NULL,
    record {bytes} NOT NULL
);
