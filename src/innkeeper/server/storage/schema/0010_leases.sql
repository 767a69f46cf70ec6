-- What only one node should do at a time: a row for each such task, its holder's until it runs out unless renewed.
CREATE TABLE leases (
    name TEXT NOT NULL PRIMARY KEY,
    holder {bytes} NOT NULL,
    expires_at BIGINT NOT NULL
);
