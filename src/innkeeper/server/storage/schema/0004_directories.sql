-- Sets of people with names and passwords of their own. The one named default has no row; everybody who was there
-- before is in it. In user_identifiers a name of another directory begins with that directory's.
CREATE TABLE directories (
    name TEXT NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    record {bytes} NOT NULL
);

ALTER TABLE users ADD COLUMN directory TEXT NOT NULL DEFAULT 'default';
