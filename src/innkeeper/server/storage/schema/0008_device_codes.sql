-- What polls, claims and answers change is in columns, whatever the record says. No index names one of them.
CREATE TABLE device_codes (
    device_key {bytes} NOT NULL PRIMARY KEY,
    user_code_mac {bytes} NOT NULL,
    expires_at BIGINT NOT NULL,
    state TEXT NOT NULL,
    interval_s BIGINT NOT NULL,
    next_poll_at BIGINT NOT NULL,
    started_by {bytes} NOT NULL,
    claimed_by {bytes},
    answered_by {bytes},
    redeemed_by {bytes},
    polled_by {bytes},
    polled TEXT,
    grant_id TEXT,
    user_id TEXT,
    record {bytes} NOT NULL
) {hot};

-- Two live devices never show the same code.
CREATE UNIQUE INDEX device_codes_by_user_code ON device_codes (user_code_mac);
