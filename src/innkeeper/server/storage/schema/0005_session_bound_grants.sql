-- A session by its public id, and the grants that end with it. The id of a running session is known to its record
-- alone, so those that are running end: everybody signs in once more.
DELETE FROM sessions;

ALTER TABLE sessions ADD COLUMN sid TEXT NOT NULL DEFAULT '';

CREATE INDEX sessions_of_sid ON sessions (sid);

-- NULL for a grant that outlives its session, and for one that has none.
ALTER TABLE grants ADD COLUMN bound_sid TEXT;
