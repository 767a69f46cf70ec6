-- One row for a refresh token and all its successors. What a rotation changes is in columns, and no index names one.
CREATE TABLE refresh_families (
    family_key {bytes} NOT NULL PRIMARY KEY,
    grant_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    generation BIGINT NOT NULL,
    is_rotating SMALLINT NOT NULL,
    idle_expires_at BIGINT NOT NULL,
    absolute_expires_at BIGINT NOT NULL,
    rotated_at BIGINT,
    rotated_by {bytes},
    "overlaps" BIGINT NOT NULL,
    record {bytes} NOT NULL
) {hot};

CREATE INDEX refresh_families_of_user ON refresh_families (user_id, client_id, family_key);

-- Who completed an authorization that had no code.
ALTER TABLE grants ADD COLUMN opened_by {bytes};
